#include "graph/alias_rules.h"

#include <algorithm>
#include <string_view>
#include <vector>

#include "tinyml/schema.h"

namespace tinyml {
namespace {

bool starts_with(std::string_view text, std::string_view start) { return text.substr(0, start.size()) == start; }

std::vector<int64_t> strides_of(const TensorType& type) {
  std::vector<int64_t> strides(type.shape.size());
  const bool given = type.strides.size() == type.shape.size();
  int64_t step = 1;
  for (size_t i = strides.size(); i-- > 0;) {
    strides[i] = given ? type.strides[i].hint() : step;
    step *= std::max<int64_t>(type.shape[i].hint(), 1);
  }
  return strides;
}

/// Whether memory of type `from` can be seen with the sizes of `to` without a copy. Dimensions that lie evenly in
/// memory form one block; every block must be a run of whole new dimensions.
bool is_viewable(const TensorType& from, const TensorType& to) {
  const std::vector<int64_t> sizes = from.sizes();
  const std::vector<int64_t> strides = strides_of(from);
  std::vector<int64_t> blocks;
  int64_t inner_stride = 0;
  for (size_t i = 0; i < sizes.size(); ++i) {
    if (sizes[i] == 0) return true;
    if (sizes[i] == 1) continue;
    if (!blocks.empty() && inner_stride == strides[i] * sizes[i]) {
      blocks.back() *= sizes[i];
    } else {
      blocks.push_back(sizes[i]);
    }
    inner_stride = strides[i];
  }
  size_t block = 0;
  int64_t count = 1;
  for (const int64_t size : to.sizes()) {
    if (size == 1) continue;
    count *= size;
    if (block == blocks.size() || count > blocks[block] || blocks[block] % count != 0) return false;
    if (count < blocks[block]) continue;
    ++block;
    count = 1;
  }
  return block == blocks.size() && count == 1;
}

bool keeps_type(const TensorType& from, const TensorType& to) {
  return from.type == to.type && from.device == to.device;
}

/// Operators whose schema does not say that they return their argument.
bool returns_argument(const Node& node, const TensorType& from, const TensorType& to) {
  if (node.op == "aten.dropout.default" || node.op == "aten.feature_dropout.default" ||
      node.op == "aten.alpha_dropout.default" || node.op == "aten.feature_alpha_dropout.default") {
    const Argument& train = node.arg("train");
    return train.is_bool() && !train.as_bool();
  }
  if (node.op == "aten.type_as.default") return keeps_type(from, to);
  return starts_with(node.op, "aten.atleast_") || node.op == "aten.meshgrid.default" ||
         node.op == "aten.meshgrid.indexing" || node.op == "aten.broadcast_tensors.default";
}

/// Operators whose schema allows both a view and a copy.
bool is_view_here(const Node& node, const TensorType& from, const TensorType& to) {
  if (starts_with(node.op, "aten.to.")) {
    return keeps_type(from, to) && !(node.has_arg("copy") && node.arg("copy").as_bool()) &&
           strides_of(from) == strides_of(to);
  }
  if (node.op == "aten.contiguous.default") return strides_of(from) == strides_of(to);
  if (starts_with(node.op, "aten.reshape") || starts_with(node.op, "aten.flatten.") ||
      node.op == "aten.ravel.default") {
    return is_viewable(from, to);
  }
  return true;
}

std::optional<size_t> first_tensor(const Graph& graph, const Node& node) {
  for (size_t i = 0; i < node.args.size(); ++i) {
    const Argument& value = node.args[i].value;
    if (value.is_value() && graph.value(value.as_value()).kind == ValueKind::kTensor) return i;
    if (value.is_list() && !value.as_list().empty() && value.as_list()[0].is_value()) return i;
  }
  return std::nullopt;
}

}  // namespace

std::optional<size_t> aliased_argument(const Graph& graph, const Node& node) {
  const OpSchema* schema = find_schema(node.op);
  if (schema == nullptr || node.outputs.empty() || node.outputs[0] == kNoValue) return std::nullopt;
  const std::optional<size_t> argument = first_tensor(graph, node);
  if (!argument || graph.value(node.outputs[0]).kind != ValueKind::kTensor) return std::nullopt;
  const TensorType& to = graph.tensor_type(node.outputs[0]);
  ValueId source = kNoValue;
  node.args[*argument].value.for_each_value([&](ValueId id) { source = source == kNoValue ? id : source; });
  const TensorType& from = graph.tensor_type(source);
  if (schema->is_view()) {
    return is_view_here(node, from, to) ? argument : std::nullopt;
  }
  return returns_argument(node, from, to) ? argument : std::nullopt;
}

}  // namespace tinyml
