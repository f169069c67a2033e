#include <fmt/format.h>

#include <algorithm>
#include <type_traits>

#include "tinyml/profile.h"
#include "tinyml/tflite_info.h"

namespace tinyml {
namespace {

/// Strides and dilations, for the options that have them.
void append_steps(const tflite::Options& options, std::vector<int64_t>& sizes) {
  std::visit(
      [&](const auto& each) {
        if constexpr (requires { each.stride_w + each.stride_h; }) {
          sizes.insert(sizes.end(), {each.stride_w, each.stride_h});
        }
        if constexpr (requires { each.dilation_w + each.dilation_h; }) {
          sizes.insert(sizes.end(), {each.dilation_w, each.dilation_h});
        }
        if constexpr (requires { each.filter_width + each.filter_height; }) {
          sizes.insert(sizes.end(), {each.filter_width, each.filter_height});
        }
      },
      options);
}

}  // namespace

OperatorShape describe_operator(const tflite::Subgraph& subgraph, const tflite::Operator& op) {
  OperatorShape shape;
  const auto tensor = [&](int id) -> const tflite::Tensor& { return subgraph.tensors[static_cast<size_t>(id)]; };
  const bool reads_values = std::any_of(op.inputs.begin(), op.inputs.end(),
                                        [&](int id) { return id != tflite::kNoTensor && !tensor(id).is_constant(); });
  if (!reads_values) return shape;
  shape.kind = tflite::name_of(op);
  const auto append = [&](int id) {
    if (id == tflite::kNoTensor) {
      shape.kind += " -";
      return;
    }
    shape.kind += fmt::format(" {}[{}]", tflite::to_string(tensor(id).type), tensor(id).rank());
    shape.sizes.insert(shape.sizes.end(), tensor(id).shape.begin(), tensor(id).shape.end());
    shape.work += static_cast<double>(tflite::element_count(tensor(id).shape));
  };
  for (const int id : op.inputs) append(id);
  shape.kind += " ->";
  for (const int id : op.outputs) append(id);
  append_steps(op.options, shape.sizes);
  tflite::Subgraph alone;
  alone.tensors = subgraph.tensors;
  alone.operators = {op};
  if (const int64_t macs = tflite::count_macs(alone); macs > 0) shape.work = static_cast<double>(macs);
  return shape;
}

}  // namespace tinyml
