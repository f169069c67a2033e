#include "explain/probe_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <map>

#include "explain/element_orders.h"
#include "explain/tensor_index.h"

namespace tinyml::explaining {
namespace {

using tflite::Type;
using Sizes = std::vector<int64_t>;

// Where orders are ambiguous, as of dimensions of one size, the usual one counts unless another is so much nearer.
constexpr double kClearlyLess = 0.5;

std::vector<bool> dynamic_values(const Graph& graph) {
  std::vector<bool> dynamic(graph.value_limit());
  for (const Input& input : graph.inputs()) {
    if (input.value != kNoValue) dynamic[index_of(input.value)] = true;
  }
  for (const NodeId id : graph.nodes()) {
    bool any = false;
    for (const NamedArgument& arg : graph.node(id).args) {
      arg.value.for_each_value([&](ValueId value) { any = any || dynamic[index_of(value)]; });
    }
    for (const ValueId output : graph.node(id).outputs) {
      if (output != kNoValue) dynamic[index_of(output)] = any;
    }
  }
  return dynamic;
}

double number(const Graph& graph, const Argument& argument) {
  if (argument.is_number()) return argument.as_double();
  const Binding* binding = argument.is_value() ? graph.binding_of(argument.as_value()) : nullptr;
  if (binding == nullptr || binding->data.numel() != 1) {
    throw Error("a FakeQuant of an activation has no scale of its own", "give the model that the file was made from");
  }
  return binding->data.to_doubles()[0];
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

// The orders in which a tensor of these sizes may be stored with that shape, dimensions of size 1 left out of account.
std::vector<Sizes> fitting_orders(const Sizes& sizes, const tflite::Shape& shape) {
  Sizes identity;
  for (size_t i = 0; i < sizes.size(); ++i) identity.push_back(static_cast<int64_t>(i));
  std::vector<Sizes> candidates;
  if (sizes.size() > 2) {
    Sizes last = identity;
    std::rotate(last.begin() + 1, last.begin() + 2, last.end());
    candidates.push_back(last);
  }
  candidates.push_back(identity);
  const Sizes stored = without_ones(Sizes(shape.begin(), shape.end()));
  std::erase_if(candidates, [&](const Sizes& order) { return without_ones(permuted(sizes, order)) != stored; });
  return candidates;
}

}  // namespace

std::vector<std::pair<std::string, int>> boundary(const tflite::Model& file, bool inputs) {
  const tflite::Subgraph& main = file.subgraphs.at(0);
  if (!file.signatures.empty() && file.signatures[0].subgraph == 0) {
    return inputs ? file.signatures[0].inputs : file.signatures[0].outputs;
  }
  std::vector<std::pair<std::string, int>> result;
  for (const int id : inputs ? main.inputs : main.outputs) {
    result.emplace_back(main.tensors[static_cast<size_t>(id)].name, id);
  }
  return result;
}

std::vector<Probe> find_probes(const Graph& graph, const tflite::Model& file) {
  const tflite::Subgraph& main = file.subgraphs.at(0);
  const TensorIndex index(main);
  std::map<ValueId, int> boundary_tensors;
  const auto bind = [&](const std::vector<ValueId>& values, bool inputs) {
    const auto tensors = boundary(file, inputs);
    for (size_t i = 0; i < std::min(values.size(), tensors.size()); ++i) {
      boundary_tensors.emplace(values[i], tensors[i].second);
    }
  };
  std::vector<ValueId> inputs;
  std::vector<ValueId> outputs;
  for (const Input& input : graph.inputs()) {
    if (input.value != kNoValue) inputs.push_back(input.value);
  }
  for (const Output& output : graph.outputs()) {
    if (output.kind == OutputKind::kUser && output.value.is_value()) outputs.push_back(output.value.as_value());
  }
  bind(inputs, true);
  bind(outputs, false);

  const std::vector<bool> dynamic = dynamic_values(graph);
  std::vector<Probe> probes;
  for (const NodeId id : graph.nodes()) {
    const Node& node = graph.node(id);
    if (!node.op.starts_with("aten.fake_quantize_per_tensor_affine.")) continue;
    const ValueId self = node.arg("self").as_value();
    if (!dynamic[index_of(self)]) continue;
    Probe probe;
    probe.node = id;
    probe.self = self;
    probe.scale = number(graph, node.arg("scale"));
    probe.zero_point = static_cast<int64_t>(number(graph, node.arg("zero_point")));
    probe.quant_min = node.arg("quant_min").as_int();
    probe.quant_max = node.arg("quant_max").as_int();
    probe.tensor = index.find(graph, probe);
    for (const ValueId value : {node.output(), self}) {
      const auto found = boundary_tensors.find(value);
      const bool here = probe.tensor == tflite::kNoTensor && found != boundary_tensors.end();
      if (here && index.fits(graph, probe, found->second)) probe.tensor = found->second;
    }
    probes.push_back(probe);
  }
  return probes;
}

tflite::Model add_outputs(const tflite::Model& file, const std::vector<Probe>& probes,
                          std::vector<std::string>& names) {
  tflite::Model result = file;
  if (result.signatures.empty()) {
    tflite::Signature signature;
    signature.inputs = boundary(file, true);
    signature.outputs = boundary(file, false);
    result.signatures.push_back(std::move(signature));
  }
  tflite::Signature& signature = result.signatures[0];
  names.assign(probes.size(), "");
  for (size_t i = 0; i < probes.size(); ++i) {
    const int tensor = probes[i].tensor;
    if (tensor == tflite::kNoTensor) continue;
    const auto known = std::find_if(signature.outputs.begin(), signature.outputs.end(),
                                    [&](const auto& entry) { return entry.second == tensor; });
    if (known != signature.outputs.end()) {
      names[i] = known->first;
      continue;
    }
    names[i] = fmt::format("probe_{}", i);
    signature.outputs.emplace_back(names[i], tensor);
    result.subgraphs[0].outputs.push_back(tensor);
  }
  return result;
}

std::vector<std::byte> encode(const Tensor& values, const tflite::Tensor& tensor) {
  const std::vector<Sizes> orders = fitting_orders(values.shape(), tensor.shape);
  if (orders.empty()) {
    throw Error(fmt::format("'{}' has another shape in the file than in the model", tensor.name),
                "give the model that the file was made from");
  }
  // Converted images are channels last; another file that fits both ways keeps its order.
  const Sizes& order = values.rank() == 4 ? orders.front() : orders.back();
  const tflite::Quantization& q = tensor.quantization;
  std::vector<std::byte> bytes;
  with_type(tensor, [&](auto zero) {
    using T = decltype(zero);
    for (double value : values.permuted(order).contiguous().to_doubles()) {
      if (tensor.type != Type::FLOAT32 && !q.empty()) {
        value = std::nearbyint(value / static_cast<double>(q.scale[0])) + static_cast<double>(q.zero_point[0]);
      }
      const auto item = static_cast<T>(std::clamp(value, static_cast<double>(std::numeric_limits<T>::lowest()),
                                                  static_cast<double>(std::numeric_limits<T>::max())));
      const auto* raw = reinterpret_cast<const std::byte*>(&item);
      bytes.insert(bytes.end(), raw, raw + sizeof(T));
    }
  });
  return bytes;
}

std::optional<Tensor> decode(const std::vector<std::byte>& bytes, const tflite::Tensor& tensor, const Tensor& like) {
  const size_t count = static_cast<size_t>(like.numel());
  const tflite::Quantization& q = tensor.quantization;
  std::vector<float> stored;
  with_type(tensor, [&](auto item) {
    if (bytes.size() < count * sizeof(item)) throw Error(fmt::format("'{}' is too short", tensor.name));
    for (size_t i = 0; i < count; ++i) {
      std::memcpy(&item, bytes.data() + i * sizeof(item), sizeof(item));
      auto value = static_cast<double>(item);
      if (tensor.type != Type::FLOAT32 && !q.empty()) {
        value = (value - static_cast<double>(q.zero_point[0])) * static_cast<double>(q.scale[0]);
      }
      stored.push_back(static_cast<float>(value));
    }
  });
  const Tensor reference = like.to(ScalarType::kFloat32).contiguous();
  std::optional<Tensor> best;
  double least = std::numeric_limits<double>::infinity();
  for (const ElementOrder& order : find_element_orders(like.shape(), {tensor.shape.begin(), tensor.shape.end()})) {
    const Tensor values = order.restore(stored, like.shape());
    double error = 0;
    for (size_t i = 0; i < count && error < kClearlyLess * least; ++i) {
      const double difference = static_cast<double>(values.data<float>()[i] - reference.data<float>()[i]);
      if (std::isfinite(difference)) error += difference * difference;
    }
    if (best && !(error < kClearlyLess * least)) continue;
    best = values;
    least = error;
  }
  return best;
}

}  // namespace tinyml::explaining
