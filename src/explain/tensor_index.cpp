#include "explain/tensor_index.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "explain/element_orders.h"

namespace tinyml::explaining {
namespace {

constexpr int kMostFused = 3;  // A layer, its batch norm and its activation.

// Without the suffix of quantized tensors; "" for others.
std::string without_type(const std::string& tensor) {
  for (const char* suffix : {"_int8", "_int16"}) {
    if (tensor.ends_with(suffix)) return tensor.substr(0, tensor.size() - std::strlen(suffix));
  }
  return "";
}

std::string without_number(const std::string& name) {
  const size_t end = name.find_last_not_of("0123456789");
  const bool numbered = end != std::string::npos && end + 1 < name.size() && end > 0 && name[end] == '_';
  return numbered ? name.substr(0, end) : name;
}

}  // namespace

TensorIndex::TensorIndex(const tflite::Subgraph& main) : main_(main) {
  for (const tflite::Operator& op : main.operators) {
    for (const int id : op.outputs) {
      const std::string name = without_type(main.tensors[static_cast<size_t>(id)].name);
      if (name.empty()) continue;
      const size_t slash = name.find_last_of('/');
      const std::string path = slash == std::string::npos ? "" : name.substr(0, slash);
      const std::string value = slash == std::string::npos ? name : name.substr(slash + 1);
      by_value_.emplace(value, id);
      by_operator_[{path, value}].push_back(id);
      if (without_number(value) != value) by_operator_[{path, without_number(value)}].push_back(id);
    }
  }
}

bool TensorIndex::fits(const Graph& graph, const Probe& probe, int tensor) const {
  const tflite::Tensor& found = main_.tensors[static_cast<size_t>(tensor)];
  const tflite::Quantization& q = found.quantization;
  const bool integers = found.type == tflite::Type::INT8 || found.type == tflite::Type::INT16;
  if (!integers || q.scale.size() != 1 || found.is_constant()) return false;
  if (!(std::abs(static_cast<double>(q.scale[0]) / probe.scale - 1) < 1e-5)) return false;
  if (q.zero_point.empty() ? probe.zero_point != 0 : q.zero_point[0] != probe.zero_point) return false;
  const std::vector<int64_t> sizes = graph.tensor_type(probe.self).sizes();
  return !find_element_orders(sizes, {found.shape.begin(), found.shape.end()}).empty();
}

int TensorIndex::find(const Graph& graph, const Probe& probe) const {
  const auto [begin, end] = by_value_.equal_range(graph.value(probe.self).name);
  for (auto entry = begin; entry != end; ++entry) {
    if (fits(graph, probe, entry->second)) return entry->second;
  }
  // Under the name of an operator that the value's was fused into; its last tensor is the result.
  ValueId value = probe.self;
  for (int steps = 0; steps < kMostFused; ++steps) {
    const NodeId producer = graph.value(value).producer;
    if (producer == kNoNode) break;
    const Node& node = graph.node(producer);
    if (const auto found = by_operator_.find({node.module_path(), graph.value(value).name});
        found != by_operator_.end()) {
      const auto last = std::find_if(found->second.rbegin(), found->second.rend(),
                                     [&](int tensor) { return fits(graph, probe, tensor); });
      if (last != found->second.rend()) return *last;
    }
    if (node.args.empty() || !node.args[0].value.is_value()) break;
    value = node.args[0].value.as_value();
    if (graph.value(value).users.size() != 1) break;
  }
  return tflite::kNoTensor;
}

}  // namespace tinyml::explaining
