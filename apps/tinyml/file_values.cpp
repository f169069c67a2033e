#include "file_values.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

namespace tinyml::cli {
namespace {

using tflite::Type;
using Sizes = std::vector<int64_t>;

constexpr int64_t kChannelsLast[] = {0, 2, 3, 1};

Sizes permuted(const Sizes& sizes, const Sizes& order) {
  Sizes result;
  for (int64_t axis : order) result.push_back(sizes[static_cast<size_t>(axis)]);
  return result;
}

template <typename T>
void append(std::vector<std::byte>& bytes, double value) {
  const double low = static_cast<double>(std::numeric_limits<T>::lowest());
  const double high = static_cast<double>(std::numeric_limits<T>::max());
  const T item = static_cast<T>(std::clamp(value, low, high));
  const auto* raw = reinterpret_cast<const std::byte*>(&item);
  bytes.insert(bytes.end(), raw, raw + sizeof(T));
}

// Calls `f` with a value of the type's C++ type.
template <typename F>
void with_type(const tflite::Tensor& tensor, F f) {
  switch (tensor.type) {
    case Type::FLOAT32:
      return f(float{});
    case Type::INT32:
      return f(int32_t{});
    case Type::INT64:
      return f(int64_t{});
    case Type::INT16:
      return f(int16_t{});
    case Type::INT8:
      return f(int8_t{});
    case Type::UINT8:
    case Type::BOOL:
      return f(uint8_t{});
    default:
      throw Error(fmt::format("'{}' is {}, which cannot be compared", tensor.name, to_string(tensor.type)));
  }
}

}  // namespace

std::vector<FileTensor> boundary(const tflite::Model& file, bool inputs) {
  const tflite::Subgraph& main = file.subgraphs.at(0);
  if (!file.signatures.empty()) {
    if (file.signatures[0].subgraph != 0) throw Error("the file's first signature is not that of its main subgraph");
    return inputs ? file.signatures[0].inputs : file.signatures[0].outputs;
  }
  std::vector<FileTensor> result;
  for (int id : inputs ? main.inputs : main.outputs) {
    result.emplace_back(main.tensors[static_cast<size_t>(id)].name, id);
  }
  return result;
}

Sizes order_in_file(const tflite::Tensor& tensor, const Sizes& sizes, bool keep_layout) {
  const Sizes stored(tensor.shape.begin(), tensor.shape.end());
  Sizes identity;
  for (size_t i = 0; i < sizes.size(); ++i) identity.push_back(static_cast<int64_t>(i));
  const Sizes last = sizes.size() == 4 ? Sizes(std::begin(kChannelsLast), std::end(kChannelsLast)) : identity;
  const bool fits_last = permuted(sizes, last) == stored;
  const bool fits_as_it_is = sizes == stored;
  if (!fits_last && !fits_as_it_is) {
    throw Error(fmt::format("'{}' has the shape [{}] in the file and [{}] in the model", tensor.name,
                            fmt::join(stored, ", "), fmt::join(sizes, ", ")));
  }
  return fits_last && !(fits_as_it_is && keep_layout) ? last : identity;
}

std::vector<std::byte> to_file(const Tensor& values, const tflite::Tensor& tensor, const Sizes& order) {
  const tflite::Quantization& q = tensor.quantization;
  const bool quantized = is_quantizable(tensor.type) && !q.empty();
  std::vector<std::byte> bytes;
  with_type(tensor, [&](auto zero) {
    for (double value : values.permuted(order).contiguous().to_doubles()) {
      if (quantized)
        value = std::nearbyint(value / static_cast<double>(q.scale[0])) + static_cast<double>(q.zero_point[0]);
      append<decltype(zero)>(bytes, value);
    }
  });
  return bytes;
}

std::vector<double> from_file(const std::vector<std::byte>& bytes, const tflite::Tensor& tensor, size_t count) {
  const tflite::Quantization& q = tensor.quantization;
  const bool quantized = is_quantizable(tensor.type) && !q.empty();
  std::vector<double> values;
  with_type(tensor, [&](auto item) {
    if (bytes.size() < count * sizeof(item)) throw Error(fmt::format("the output '{}' is too short", tensor.name));
    for (size_t i = 0; i < count; ++i) {
      std::memcpy(&item, bytes.data() + i * sizeof(item), sizeof(item));
      const auto value = static_cast<double>(item);
      values.push_back(quantized ? (value - static_cast<double>(q.zero_point[0])) * static_cast<double>(q.scale[0])
                                 : value);
    }
  });
  return values;
}

}  // namespace tinyml::cli
