#include "tflite/constant_values.h"

#include <cstring>

#include "tinyml/error.h"

namespace tinyml::tflite {

std::optional<std::vector<int64_t>> constant_integers(const Subgraph& subgraph, int tensor) {
  if (tensor < 0 || static_cast<size_t>(tensor) >= subgraph.tensors.size()) return std::nullopt;
  const Tensor& t = subgraph.tensors[static_cast<size_t>(tensor)];
  if (t.type != Type::INT32 && t.type != Type::INT64) return std::nullopt;
  const auto count = static_cast<size_t>(element_count(t.shape));
  if (count == 0) return std::vector<int64_t>{};
  if (!t.is_constant()) return std::nullopt;
  const size_t width = t.type == Type::INT32 ? 4 : 8;
  if (t.buffer.size() < count * width) return std::nullopt;
  std::vector<int64_t> values(count);
  for (size_t i = 0; i < count; ++i) {
    if (width == 4) {
      int32_t value = 0;
      std::memcpy(&value, t.buffer.data() + 4 * i, 4);
      values[i] = value;
    } else {
      std::memcpy(&values[i], t.buffer.data() + 8 * i, 8);
    }
  }
  return values;
}

std::optional<std::vector<int64_t>> constant_integers(const Subgraph& subgraph, const Operator& op, size_t input) {
  if (input >= op.inputs.size()) return std::nullopt;
  return constant_integers(subgraph, op.inputs[input]);
}

int normalized_axis(int64_t axis, int rank) {
  if (axis < -rank || axis >= rank) {
    throw Error("axis " + std::to_string(axis) + " is outside a tensor of rank " + std::to_string(rank));
  }
  return static_cast<int>(axis < 0 ? axis + rank : axis);
}

}  // namespace tinyml::tflite
