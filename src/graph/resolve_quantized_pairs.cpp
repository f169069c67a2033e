// Integer tensors between quantize and dequantize operators become FakeQuants.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include "tinyml/functionalize.h"
#include "tinyml/schema.h"

namespace tinyml {
namespace {

constexpr std::string_view kDecomposed = "quantized_decomposed.";
constexpr std::string_view kTorchao = "torchao.";
// Metadata of the readers of an activation that is quantized by the range of each inference.
constexpr const char* kDynamicNote = "tinyml.dynamic_range";

// What moves or selects values: exact on integers and on the real numbers that they stand for.
constexpr std::array<std::string_view, 30> kMovements{"aten.view.default",
                                                      "aten.reshape.default",
                                                      "aten.flatten.using_ints",
                                                      "aten.permute.default",
                                                      "aten.transpose.int",
                                                      "aten.t.default",
                                                      "aten.slice.Tensor",
                                                      "aten.select.int",
                                                      "aten.squeeze.dim",
                                                      "aten.squeeze.dims",
                                                      "aten.squeeze.default",
                                                      "aten.unsqueeze.default",
                                                      "aten.expand.default",
                                                      "aten.clone.default",
                                                      "aten.contiguous.default",
                                                      "aten.max_pool2d.default",
                                                      "aten.split.Tensor",
                                                      "aten.chunk.default",
                                                      "aten.unbind.int",
                                                      "aten.split_with_sizes.default",
                                                      "aten.pixel_shuffle.default",
                                                      "aten.unflatten.int",
                                                      "aten.repeat.default",
                                                      "aten.index_select.default",
                                                      "aten.channel_shuffle.default",
                                                      "aten.flip.default",
                                                      "aten.movedim.int",
                                                      "aten.narrow.default",
                                                      "aten.alias.default",
                                                      "aten.upsample_nearest2d.vec"};

std::string_view base_name(std::string_view op) {
  for (const std::string_view space : {kDecomposed, kTorchao}) {
    if (op.substr(0, space.size()) == space) return op.substr(space.size(), op.find('.', space.size()) - space.size());
  }
  return {};
}

bool starts_with(std::string_view text, std::string_view prefix) { return text.substr(0, prefix.size()) == prefix; }

// The integers of a quantize or dequantize operator.
struct Grid {
  std::vector<double> scale, zero_point;
  int64_t axis = -1;  ///< -1: one scale for the tensor.
  int64_t low = 0, high = 0;
  bool dynamic = false;  ///< The scale comes from the values of each inference.
  bool operator==(const Grid&) const = default;
};

class PairResolver {
 public:
  explicit PairResolver(Graph graph) : graph_(std::move(graph)) {}

  Graph run() {
    const std::vector<Output> returned = graph_.outputs();
    for (const NodeId id : graph_.nodes()) {
      try {
        visit(id);
      } catch (const Error& error) {
        Diagnostic problem = error.diagnostics()[0];
        problem.module_path = graph_.node(id).module_path();
        problem.where = graph_.node(id).source();
        problems_.push_back(std::move(problem));
      }
    }
    for (const Output& output : returned) {
      if (!output.value.is_value() || !real_.contains(output.value.as_value())) continue;
      problems_.push_back(
          {fmt::format("the model returns the integers '{}'", graph_.value(output.value.as_value()).name),
           "",
           {},
           "dequantize it in the model; TFLiteConverter's quantize_input_output_type makes the file's "
           "output integer"});
    }
    if (!problems_.empty()) throw Error("the model's quantize and dequantize operators do not pair up", problems_);
    graph_.erase_dead_nodes();
    for (const ValueId value : consumed_) {
      if (graph_.binding_of(value) != nullptr && graph_.is_unused(value)) graph_.erase_binding(value);
    }
    return std::move(graph_);
  }

 private:
  struct Real {
    ValueId value;
    Grid grid;
  };

  void visit(NodeId id) {
    const Node& node = graph_.node(id);
    const std::string_view name = base_name(node.op);
    if (name.empty()) return visit_other(id);
    for (const NamedArgument& arg : node.args) {
      arg.value.for_each_value([&](ValueId value) {
        if (graph_.binding_of(value) != nullptr) consumed_.insert(value);
      });
    }
    if (name.find("channel_group") != std::string_view::npos) {
      throw Error(
          fmt::format("{} has a scale for each group of inputs; the kernels have one for each output channel", node.op),
          "quantize the weights per channel or per tensor");
    }
    if (starts_with(name, "choose_qparams")) return;
    if (starts_with(name, "quantize_")) return quantize(id);
    if (starts_with(name, "dequantize_")) return dequantize(id);
    if (name == "fake_quant_per_channel") return fake_quantize(id);
    throw Error(fmt::format("the operator {} is not known", node.op),
                "quantize with quantize and dequantize operators");
  }

  // Everything between a quantize and a dequantize operator works on the real numbers from now on.
  void visit_other(NodeId id) {
    std::vector<ValueId> integers;
    for (const NamedArgument& arg : graph_.node(id).args) {
      arg.value.for_each_value([&](ValueId value) {
        if (real_.contains(value)) integers.push_back(value);
      });
    }
    if (integers.empty()) return;
    const Node& node = graph_.node(id);
    const bool moves = std::find(kMovements.begin(), kMovements.end(), node.op) != kMovements.end();
    if (!moves || integers.size() != 1) {
      throw Error(fmt::format("{} computes on integers between a quantize and a dequantize operator", node.op),
                  "dequantize before it");
    }
    const Real real = real_.at(integers[0]);
    for (size_t i = 0; i < node.args.size(); ++i) {
      if (node.args[i].value == Argument(integers[0])) graph_.set_arg(id, i, real.value);
    }
    for (const ValueId output : node.outputs) {
      if (output == kNoValue) continue;
      TensorType type = graph_.tensor_type(output);
      type.type = graph_.tensor_type(real.value).type;
      graph_.set_tensor_type(output, type);
      real_.insert_or_assign(output, Real{output, real.grid});
    }
  }

  void quantize(NodeId id) {
    const Node& node = graph_.node(id);
    const ValueId x = node.args[0].value.as_value();
    const Grid grid = grid_of(node, x);
    const ValueId rounded = grid.dynamic ? x : add_fake_quant(x, grid, id);
    real_.insert_or_assign(node.output(), Real{rounded, grid});
  }

  void dequantize(NodeId id) {
    const Node& node = graph_.node(id);
    const ValueId q = node.args[0].value.as_value();
    ValueId result = kNoValue;
    bool dynamic = false;
    if (const auto found = real_.find(q); found != real_.end()) {
      const Grid grid = grid_of(node, q);
      const bool agree =
          grid.dynamic ? found->second.grid.dynamic
                       : grid.scale == found->second.grid.scale && grid.zero_point == found->second.grid.zero_point;
      if (!agree) {
        throw Error(
            fmt::format("'{}' is dequantized with another scale than it was quantized with", graph_.value(q).name),
            "use the same scale and zero point in both operators");
      }
      dynamic = grid.dynamic;
      result = found->second.value;
    } else if (const Binding* binding = graph_.binding_of(q)) {
      const Grid grid = grid_of(node, q);
      if (grid.dynamic) throw Error(fmt::format("the scale of the weights '{}' is computed", binding->fqn));
      result = real_weights(*binding, grid, id);
    } else {
      throw Error(fmt::format("'{}' is dequantized but no quantize operator made it", graph_.value(q).name),
                  "give the model float inputs and quantize them inside");
    }
    const ValueId output = node.output();
    if (dynamic) {
      for (const NodeId user : graph_.value(output).users) graph_.metadata(user).other[kDynamicNote] = "true";
    }
    const TensorType type = graph_.tensor_type(output);
    if (graph_.tensor_type(result).type != type.type) {
      result = graph_.add_operator("aten.to.dtype",
                                   make_args("aten.to.dtype", {{"self", result}, {"dtype", type.type}}), type, id, id);
    }
    graph_.replace_all_uses(output, result);
  }

  void fake_quantize(NodeId id) {
    const Node& node = graph_.node(id);
    const ValueId x = node.args[0].value.as_value();
    graph_.replace_all_uses(node.output(), add_fake_quant(x, grid_of(node, x), id));
  }

  // A constant of the real numbers that the stored integers stand for, and its FakeQuant.
  ValueId real_weights(const Binding& binding, const Grid& grid, NodeId before) {
    const Tensor integers = binding.data.to(ScalarType::kFloat64);
    Tensor real(ScalarType::kFloat32, integers.shape());
    int64_t inner = 1;
    for (int64_t dim = integers.rank() - 1; grid.axis >= 0 && dim > grid.axis; --dim) inner *= integers.size(dim);
    const std::vector<double> values = integers.to_doubles();
    float* out = real.mutable_data<float>();
    for (size_t i = 0; i < values.size(); ++i) {
      const size_t c = grid.axis < 0 ? 0 : i / static_cast<size_t>(inner) % grid.scale.size();
      out[i] = static_cast<float>(grid.scale[c]) * static_cast<float>(values[i] - grid.zero_point[c]);
    }
    const bool bias = binding.data.type() == ScalarType::kInt32;  // Has the scale of its layer's sum: no FakeQuant.
    const bool persistent = binding.persistent;
    const ValueId made =
        graph_.add_binding(BindingKind::kBuffer, fresh_fqn(binding.fqn + "_real"), std::move(real), persistent);
    return bias ? made : add_fake_quant(made, grid, before);
  }

  ValueId add_fake_quant(ValueId x, const Grid& grid, NodeId before) {
    std::vector<NamedArgument> args = {{"self", x}};
    const char* op = "aten.fake_quantize_per_tensor_affine.default";
    if (grid.axis < 0) {
      args.push_back({"scale", static_cast<double>(static_cast<float>(grid.scale[0]))});
      args.push_back({"zero_point", static_cast<int64_t>(grid.zero_point[0])});
    } else {
      op = "aten.fake_quantize_per_channel_affine.default";
      const auto count = static_cast<int64_t>(grid.scale.size());
      Tensor scale(ScalarType::kFloat32, {count});
      Tensor zero_point(ScalarType::kInt32, {count});
      std::copy(grid.scale.begin(), grid.scale.end(), scale.mutable_data<float>());
      std::copy(grid.zero_point.begin(), grid.zero_point.end(), zero_point.mutable_data<int32_t>());
      const std::string stem = graph_.value(x).name;
      args.push_back({"scale", graph_.add_binding(BindingKind::kBuffer, fresh_fqn(stem + "_scale"), scale)});
      args.push_back(
          {"zero_point", graph_.add_binding(BindingKind::kBuffer, fresh_fqn(stem + "_zero_point"), zero_point)});
      args.push_back({"axis", grid.axis});
    }
    args.push_back({"quant_min", grid.low});
    args.push_back({"quant_max", grid.high});
    return graph_.add_operator(op, make_args(op, std::move(args)), graph_.tensor_type(x), before, before);
  }

  std::string fresh_fqn(const std::string& wanted) const {
    std::string name = wanted;
    for (int i = 1; graph_.find_binding(name) != nullptr; ++i) name = fmt::format("{}_{}", wanted, i);
    return name;
  }

  // `x`: the tensor that the operator reads, whose shape says what a block is.
  Grid grid_of(const Node& node, ValueId x) const {
    const std::string_view name = base_name(node.op);
    Grid grid;
    const char* scale = node.has_arg("scales") ? "scales" : "scale";
    const char* zero_point = node.has_arg("zero_points") ? "zero_points" : "zero_point";
    const auto scales = numbers(node, scale);
    const auto zeros = numbers(node, zero_point);
    grid.dynamic = !scales || !zeros;
    if (grid.dynamic) return grid;
    grid.scale = *scales;
    grid.zero_point = *zeros;
    if (grid.zero_point.empty()) grid.zero_point.assign(grid.scale.size(), 0);
    set_range(node, grid);
    if (grid.scale.size() != grid.zero_point.size()) {
      throw Error(
          fmt::format("{} has {} scales and {} zero points", node.op, grid.scale.size(), grid.zero_point.size()));
    }
    if (std::any_of(grid.zero_point.begin(), grid.zero_point.end(), [](double z) { return z != std::nearbyint(z); })) {
      throw Error(fmt::format("{} has a zero point that is no integer", node.op), "quantize symmetrically");
    }
    const std::vector<int64_t> sizes = graph_.tensor_type(x).sizes();
    if (node.has_arg("axis")) {
      grid.axis = node.arg("axis").as_int();
      if (grid.axis < 0) grid.axis += static_cast<int64_t>(sizes.size());
    } else if (node.has_arg("block_size")) {
      grid.axis = block_axis(node, sizes);
    } else if (name.find("per_token") != std::string_view::npos) {
      throw Error(fmt::format("{} has a constant scale for each token", node.op), "quantize per tensor");
    }
    const size_t expected = grid.axis < 0 ? 1 : static_cast<size_t>(sizes.at(static_cast<size_t>(grid.axis)));
    if (grid.scale.size() != expected) {
      throw Error(fmt::format("{} has {} scales where {} are expected", node.op, grid.scale.size(), expected));
    }
    return grid;
  }

  // Blocks of torchao: all of the tensor, or one index of one axis.
  static int64_t block_axis(const Node& node, const std::vector<int64_t>& sizes) {
    const std::vector<int64_t> block = node.arg("block_size").as_ints();
    int64_t axis = -1;
    for (size_t i = 0; i < block.size() && i < sizes.size(); ++i) {
      if (block[i] == -1 || block[i] == sizes[i]) continue;
      if (block[i] != 1 || axis >= 0) {
        throw Error(fmt::format("{} has blocks of [{}]; the kernels have one scale for each output channel", node.op,
                                fmt::join(block, ", ")),
                    "quantize the weights per channel or per tensor");
      }
      axis = static_cast<int64_t>(i);
    }
    return axis;
  }

  void set_range(const Node& node, Grid& grid) const {
    const auto low = numbers(node, "quant_min");
    const auto high = numbers(node, "quant_max");
    if (low && high && low->size() == 1 && high->size() == 1) {
      grid.low = static_cast<int64_t>((*low)[0]);
      grid.high = static_cast<int64_t>((*high)[0]);
      return;
    }
    ScalarType type = ScalarType::kInt8;
    for (const char* name : {"dtype", "output_dtype", "input_dtype"}) {
      if (!node.has_arg(name) || !std::holds_alternative<ScalarType>(node.arg(name).data)) continue;
      type = node.arg(name).as_scalar_type();
      break;
    }
    grid.low = type == ScalarType::kUInt8 ? 0 : type == ScalarType::kInt16 ? -32768 : -128;
    grid.high = type == ScalarType::kUInt8 ? 255 : type == ScalarType::kInt16 ? 32767 : 127;
  }

  // A number or a constant tensor; an empty list for None; nullopt when it is computed.
  std::optional<std::vector<double>> numbers(const Node& node, std::string_view name) const {
    if (!node.has_arg(name) || node.arg(name).is_none()) return std::vector<double>{};
    const Argument& argument = node.arg(name);
    if (argument.is_number()) return std::vector<double>{argument.as_double()};
    const Binding* binding = argument.is_value() ? graph_.binding_of(argument.as_value()) : nullptr;
    if (binding == nullptr) return std::nullopt;
    return binding->data.to_doubles();
  }

  Graph graph_;
  std::map<ValueId, Real> real_;  ///< Integer values -> the real numbers that they stand for.
  std::set<ValueId> consumed_;    ///< Stored integers, scales and zero points.
  std::vector<Diagnostic> problems_;
};

bool is_quantization(std::string_view op) { return !base_name(op).empty(); }

}  // namespace

bool has_dynamic_quantization(const Graph& graph) {
  for (NodeId id = graph.first_node(); id != kNoNode; id = graph.next_node(id)) {
    const Node& node = graph.node(id);
    if (node.metadata.other.contains(kDynamicNote) || starts_with(base_name(node.op), "choose_qparams")) return true;
  }
  return false;
}

Graph resolve_quantized_pairs(Graph graph) {
  for (NodeId id = graph.first_node(); id != kNoNode; id = graph.next_node(id)) {
    if (is_quantization(graph.node(id).op)) return PairResolver(std::move(graph)).run();
  }
  return graph;
}

}  // namespace tinyml
