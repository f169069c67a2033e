#include "tinyml/kernel_rounding.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <optional>
#include <utility>

#include "explain/probe_file.h"
#include "graph/node_notes.h"
#include "quantize/fake_quant_behind.h"
#include "quantize/module_names.h"
#include "quantize/tie_rules.h"
#include "tinyml/evaluate.h"

namespace tinyml {
namespace {

using explaining::Probe;
using quantization::base_name;
using quantization::fake_quant_behind;
using quantization::scales_of;
using quantization::Tie;
using quantization::tie_rule;
using tflite::Op;
using Kind = KernelScaling::Kind;

class RoundingFinder {
 public:
  RoundingFinder(const Graph& graph, const tflite::Subgraph& file, KernelSet kernels)
      : graph_(graph), file_(file), xnnpack_(kernels == KernelSet::kXnnpack) {
    makers_.resize(file.tensors.size(), nullptr);
    for (const tflite::Operator& op : file.operators) {
      for (const int output : op.outputs) {
        if (output != tflite::kNoTensor) makers_.at(static_cast<size_t>(output)) = &op;
      }
    }
  }

  KernelRounding rounding_of(const Probe& probe) const {
    const bool known = probe.tensor != tflite::kNoTensor;
    const tflite::Operator* maker = known ? maker_of(probe.tensor) : nullptr;
    if (known && maker == nullptr) return {};
    if (maker != nullptr && maker->op == Op::QUANTIZE && !is_int8(maker->inputs.at(0))) return {};
    return describe(probe.self, probe.scale, maker);
  }

 private:
  const tflite::Tensor& tensor(int id) const { return file_.tensors[static_cast<size_t>(id)]; }
  const tflite::Operator* maker_of(int id) const { return makers_[static_cast<size_t>(id)]; }
  bool is_int8(int id) const { return tensor(id).type == tflite::Type::INT8 || tensor(id).type == tflite::Type::UINT8; }
  double scale_of(int id) const {
    const std::vector<float>& scale = tensor(id).quantization.scale;
    return scale.empty() ? 0.0 : static_cast<double>(scale[0]);
  }

  std::optional<double> scale_behind(const Argument& value) const {
    if (!value.is_value()) return std::nullopt;
    const Node* behind = fake_quant_behind(graph_, value.as_value());
    if (behind == nullptr || behind->has_arg("axis")) return std::nullopt;
    return scales_of(graph_, *behind).at(0);
  }

  /// XNNPACK multiplies and divides the scales in float32, the reference kernels in double.
  KernelScaling product(double a, double b, double step) const {
    if (!xnnpack_) return {Kind::kTwice, a * b / step};
    const float multiplier = static_cast<float>(a) * static_cast<float>(b) / static_cast<float>(step);
    return {Kind::kOnce, static_cast<double>(multiplier)};
  }
  /// XNNPACK takes ratios from 2^-8 to 2^7.
  KernelScaling requantization(double scale, double step) const {
    const double ratio = scale / step;
    return {xnnpack_ && ratio >= 0x1p-8 && ratio <= 0x1p7 ? Kind::kBytes : Kind::kTwice, ratio};
  }

  /// Of a value that gets the scale `step`; `maker` makes it in the file, nullptr where the file does not show it.
  KernelRounding describe(ValueId value, double step, const tflite::Operator* maker) const {
    KernelRounding rounding;
    NodeId producer = graph_.value(value).producer;
    while (producer != kNoNode && quantization::is_fusable_activation(graph_.node(producer))) {
      value = graph_.node(producer).args.at(0).value.as_value();
      producer = graph_.value(value).producer;
    }
    if (const auto own = scale_behind(Argument{value})) {
      if (*own != step) rounding.scalings = {requantization(*own, step)};
      return rounding;
    }
    if (producer == kNoNode) return rounding;
    const Node& node = graph_.node(producer);
    const Tie tie = tie_rule(graph_, node).tie;
    if (tie == Tie::kLayer) {
      const bool is_matrix = maker != nullptr ? maker->op == Op::FULLY_CONNECTED : node.op == "aten.linear.default";
      describe_layer(node, step, is_matrix, rounding);
    } else if (tie == Tie::kConcat) {
      describe_concatenation(node, step, maker, rounding);
    } else if (tie == Tie::kMove) {
      describe_moved(value, step, rounding);
    } else if (maker != nullptr) {
      describe_operator(*maker, step, rounding);
    } else if (base_name(node.op) == "mul") {
      const auto a = scale_behind(node.args.at(0).value), b = scale_behind(node.args.at(1).value);
      if (a && b) rounding.scalings = {product(*a, *b, step)};
    }
    return rounding;
  }

  /// FULLY_CONNECTED rounds once on the reference kernels too.
  void describe_layer(const Node& layer, double step, bool is_matrix, KernelRounding& rounding) const {
    const NodeId weights = graph_.value(layer.arg("weight").as_value()).producer;
    const auto input = scale_behind(layer.arg("input"));
    if (!input || weights == kNoNode || !is_fake_quantize(graph_.node(weights))) return;
    const auto rank = static_cast<int64_t>(graph_.tensor_type(layer.arg("weight").as_value()).sizes().size());
    rounding.axis = layer.op == "aten.linear.default" ? -1 : 1 - rank;
    rounding.scalings.clear();
    for (const double scale : scales_of(graph_, graph_.node(weights))) {
      rounding.scalings.push_back(product(*input, scale, step));
      if (is_matrix) rounding.scalings.back().kind = Kind::kOnce;
    }
  }

  /// A layer's channels may have become any elements (the heads of a detector).
  void describe_moved(ValueId value, double step, KernelRounding& rounding) const {
    std::vector<NodeId> moves;
    for (;;) {
      const NodeId producer = graph_.value(value).producer;
      if (producer == kNoNode || tie_rule(graph_, graph_.node(producer)).tie != Tie::kMove) break;
      const Node& node = graph_.node(producer);
      int values = 0;
      for (const NamedArgument& arg : node.args) arg.value.for_each_value([&](ValueId) { ++values; });
      const std::string name = base_name(node.op);
      if (name == "amax" || name == "amin") return;  // of several channels
      if (values != 1 || node.outputs.size() != 1 || !node.args[0].value.is_value()) return;
      moves.push_back(producer);
      value = node.args[0].value.as_value();
    }
    const KernelRounding own = describe(value, step, nullptr);
    if (own.scalings.size() == 1) {
      rounding.scalings = own.scalings;
      return;
    }
    const std::vector<int64_t> sizes = graph_.tensor_type(value).sizes();
    if (own.axis == 0 || !graph_.tensor_type(value).is_static() || sizes.empty() || sizes[0] != 1) return;
    Tensor origin(ScalarType::kInt64, sizes);
    size_t inner = 1;
    for (int64_t dim = own.axis + 1; dim < 0; ++dim) {
      inner *= static_cast<size_t>(sizes[sizes.size() - static_cast<size_t>(-dim)]);
    }
    int64_t* channels = origin.mutable_data<int64_t>();
    for (size_t i = 0; i < static_cast<size_t>(origin.numel()); ++i) {
      channels[i] = static_cast<int64_t>(i / inner % own.scalings.size());
    }
    for (auto move = moves.rbegin(); move != moves.rend(); ++move) {
      origin = evaluate_node(graph_, *move, {origin}).at(0).contiguous();
    }
    rounding.axis = 0;
    rounding.scalings.clear();
    for (const int64_t channel : origin.data<int64_t>()) {
      rounding.scalings.push_back(own.scalings[static_cast<size_t>(channel)]);
    }
  }

  /// Parts of another scale are requantized, those without one have the whole's.
  void describe_concatenation(const Node& node, double step, const tflite::Operator* maker,
                              KernelRounding& rounding) const {
    if (base_name(node.op) != "cat" || !node.args.at(0).value.is_list()) return;
    const Argument::List& parts = node.args[0].value.as_list();
    const bool known = maker != nullptr && maker->op == Op::CONCATENATION && maker->inputs.size() == parts.size();
    const auto rank = static_cast<int64_t>(graph_.tensor_type(node.output()).sizes().size());
    const int64_t dim = node.arg("dim").as_int();
    const int64_t axis = dim < 0 ? dim : dim - rank;
    std::vector<KernelRounding> found;
    for (size_t i = 0; i < parts.size(); ++i) {
      const TensorType& type = graph_.tensor_type(parts[i].as_value());
      if (!type.is_static() || static_cast<int64_t>(type.shape.size()) != rank) return;
      found.push_back(describe(parts[i].as_value(), step, known ? maker_of(maker->inputs[i]) : nullptr));
    }
    const bool of_elements = std::ranges::any_of(found, [](const KernelRounding& own) { return own.axis == 0; });
    if (of_elements && axis != 1 - rank) return;
    std::vector<KernelScaling> scalings;
    for (size_t i = 0; i < parts.size(); ++i) {
      const KernelRounding& own = found[i];
      const TensorType& type = graph_.tensor_type(parts[i].as_value());
      const int64_t size = of_elements ? elements(type.sizes()) : type.sizes()[static_cast<size_t>(axis + rank)];
      if (own.scalings.size() == 1) {
        scalings.insert(scalings.end(), static_cast<size_t>(size), own.scalings[0]);
      } else if ((of_elements ? own.axis == 0 : own.axis == axis) &&
                 static_cast<int64_t>(own.scalings.size()) == size) {
        scalings.insert(scalings.end(), own.scalings.begin(), own.scalings.end());
      } else {
        return;
      }
    }
    rounding.axis = of_elements ? 0 : axis;
    rounding.scalings = std::move(scalings);
  }

  /// What is none of these in the model, by the kernel that it became.
  void describe_operator(const tflite::Operator& op, double step, KernelRounding& rounding) const {
    const int input = op.inputs.at(0);
    if (!is_int8(input)) return;
    const double scale = scale_of(input);
    switch (op.op) {
      case Op::MUL:
        rounding.scalings = {product(scale, scale_of(op.inputs.at(1)), step)};
        break;
      case Op::LEAKY_RELU:
        rounding.scalings = {requantization(scale, step)};
        if (const auto* options = std::get_if<tflite::LeakyReluOptions>(&op.options)) {
          rounding.scalings[0].negative = static_cast<double>(options->alpha);
        }
        break;
      case Op::MEAN: {
        const double count = static_cast<double>(elements(tensor(input).shape)) /
                             static_cast<double>(std::max<int64_t>(1, elements(tensor(op.outputs.at(0)).shape)));
        rounding.scalings = {product(scale, 1.0 / count, step)};
        // QuantizedMeanOrSum of reduce.h divides the multiplier of scale / step by the count.
        rounding.scalings[0].more_bits = static_cast<int64_t>(std::floor(std::log2(count))) - exponent(scale / step) +
                                         exponent(scale / step / count);
        break;
      }
      case Op::CONV_2D:
      case Op::DEPTHWISE_CONV_2D:
        // Batch norm or pooling: images' channels in dimension 1.
        rounding.axis = 1 - static_cast<int64_t>(tensor(op.outputs.at(0)).shape.size());
        rounding.scalings.clear();
        for (const float factor : tensor(op.inputs.at(1)).quantization.scale) {
          rounding.scalings.push_back(product(scale, static_cast<double>(factor), step));
        }
        break;
      case Op::AVERAGE_POOL_2D:
      case Op::RESIZE_BILINEAR:
        // Quotients by small numbers; 2^-12 of a step keeps them apart and float errors out.
        rounding.scalings = {{xnnpack_ ? Kind::kUp : Kind::kAway, 0x1p-12}};
        break;
      default:
        break;
    }
  }

  static int exponent(double x) {
    int result = 0;
    (void)std::frexp(x, &result);
    return result;
  }

  template <typename Sizes>
  static int64_t elements(const Sizes& sizes) {
    int64_t count = 1;
    for (const auto size : sizes) count *= size;
    return count;
  }

  const Graph& graph_;
  const tflite::Subgraph& file_;
  bool xnnpack_;
  std::vector<const tflite::Operator*> makers_;
};

}  // namespace

double KernelScaling::level(double steps, double zero_point) const {
  const double m = steps < 0 ? multiplier * negative : multiplier;
  if (kind == Kind::kUnknown || m == 0) return std::nearbyint(steps) + zero_point;
  // What a clamp has cut off is no multiple of m. Sums in float32 are within 2^-19 of one.
  const double exact = steps / m;
  const bool whole = std::abs(exact - std::nearbyint(exact)) <= 0.05 + 0x1p-19 * std::abs(exact);
  const double n = whole ? std::nearbyint(exact) : exact;
  switch (kind) {
    case Kind::kTwice: {
      int exponent = 0;
      const double f = std::frexp(m, &exponent);
      const int bits = std::clamp(static_cast<int>(more_bits) - exponent, 0, 31);
      const double stored = std::ldexp(std::nearbyint(std::ldexp(f, 31)), exponent - 31);
      return std::round(std::ldexp(std::floor(std::ldexp(n * stored, bits) + 0.5), -bits)) + zero_point;
    }
    case Kind::kBytes:
      return std::floor(n * std::nearbyint(m * 256) / 256 + 0.5) + zero_point;
    case Kind::kUp:
      return std::floor(n * m + 0.5) + zero_point;
    case Kind::kAway:
      return std::round(n * m + zero_point);
    default:
      return std::nearbyint(static_cast<double>(static_cast<float>(n) * static_cast<float>(m))) + zero_point;
  }
}

std::vector<KernelRounding> kernel_roundings(const Graph& graph, const tflite::Model& file, KernelSet kernels) {
  std::map<std::string, KernelRounding> found;
  const RoundingFinder finder(graph, file.subgraphs.at(0), kernels);
  const std::vector<Probe> probes = explaining::find_probes(graph, file);
  const auto is_unknown = [](const Probe& probe) { return probe.tensor == tflite::kNoTensor; };
  if (!probes.empty() && std::ranges::all_of(probes, is_unknown)) {
    throw Error("the file holds none of the integers that the model's FakeQuants stand for",
                "give the file that was converted from this model");
  }
  for (const Probe& probe : probes) {
    if (probe.quant_max - probe.quant_min > 255) continue;
    KernelRounding rounding = finder.rounding_of(probe);
    rounding.module_path = graph.node(probe.node).module_path();
    const auto [place, inserted] = found.try_emplace(rounding.module_path, rounding);
    if (!inserted && place->second != rounding) place->second = {rounding.module_path};
  }
  std::vector<KernelRounding> result;
  for (auto& [path, rounding] : found) {
    if (rounding.scalings != std::vector<KernelScaling>{{}}) result.push_back(std::move(rounding));
  }
  return result;
}

}  // namespace tinyml
