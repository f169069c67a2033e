#include "quantize/equalize/find_pairs.h"

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <optional>
#include <string>

#include "quantize/module_names.h"

namespace tinyml::quantization {
namespace {

bool is_one_of(const std::string& name, std::initializer_list<const char*> names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

class PairFinder {
 public:
  explicit PairFinder(const Graph& graph) : graph_(graph) {}

  std::vector<EqualizedLayers> find() const {
    std::vector<EqualizedLayers> found;
    for (const NodeId id : graph_.nodes()) {
      EqualizedLayers layers;
      if (!read_layer(id, layers.first)) continue;
      const int64_t spatial = spatial_rank(graph_.node(id));
      const bool batched = spatial == 0 || graph_.tensor_type(layers.first.result).rank() == spatial + 2;
      if (batched && collect(layers.first.result, spatial > 0, 1, layers)) found.push_back(std::move(layers));
    }
    return found;
  }

 private:
  static bool is_layer(const Node& node) {
    return node.op.starts_with("aten.") &&
           is_one_of(base_name(node.op), {"conv1d", "conv2d", "conv_transpose2d", "linear"});
  }
  static int64_t spatial_rank(const Node& layer) {
    const std::string name = base_name(layer.op);
    return name == "linear" ? 0 : name == "conv1d" ? 1 : 2;
  }

  /// A float32 parameter that is read here alone.
  ValueId own(const Argument& argument) const {
    if (!argument.is_value()) return kNoValue;
    const ValueId value = argument.as_value();
    const Binding* binding = graph_.binding_of(value);
    const bool fits = binding != nullptr && binding->kind == BindingKind::kParameter &&
                      binding->data.type() == ScalarType::kFloat32 && graph_.value(value).users.size() == 1 &&
                      !graph_.is_output(value);
    if (!fits) return kNoValue;
    for (const Binding& other : graph_.bindings()) {  // a tied weight under another name
      if (other.value != value && other.data.storage().data() == binding->data.storage().data() &&
          other.data.offset() == binding->data.offset()) {
        return kNoValue;
      }
    }
    return value;
  }

  WeightShape shape_of(const Node& layer, ValueId weight) const {
    const std::vector<int64_t> sizes = graph_.tensor_type(weight).sizes();
    WeightShape shape{static_cast<size_t>(sizes[0]), static_cast<size_t>(sizes[1]), 1, 1, false};
    for (size_t i = 2; i < sizes.size(); ++i) shape.inner *= static_cast<size_t>(sizes[i]);
    if (base_name(layer.op) != "linear") shape.groups = static_cast<size_t>(layer.arg("groups").as_int());
    shape.transposed = base_name(layer.op) == "conv_transpose2d";
    return shape;
  }

  bool read_layer(NodeId id, EqualizedLayer& layer) const {
    const Node& node = graph_.node(id);
    if (!is_layer(node)) return false;
    layer.node = id;
    layer.weight = own(node.arg("weight"));
    layer.bias = own(node.arg("bias"));
    if (layer.weight == kNoValue || (layer.bias == kNoValue && !node.arg("bias").is_none())) return false;
    layer.shape = shape_of(node, layer.weight);
    layer.result = node.output();
    if (graph_.is_output(layer.result) || graph_.value(layer.result).users.size() != 1) return true;
    const Node& reader = graph_.node(graph_.value(layer.result).users[0]);
    if (reader.op == "aten.batch_norm.default") read_norm(reader, layer);  // else collect() ends at the batch norm
    return true;
  }

  void read_norm(const Node& norm, EqualizedLayer& layer) const {
    const ValueId gamma = own(norm.arg("weight")), beta = own(norm.arg("bias"));
    const Argument& variance = norm.arg("running_var");
    if (gamma == kNoValue || beta == kNoValue || !variance.is_value()) return;
    const Binding* running = graph_.binding_of(variance.as_value());
    if (running == nullptr || !norm.arg("training").is_bool() || norm.arg("training").as_bool()) return;
    // Only where the batch norm's channels are the layer's (a linear layer's features are its last dimension).
    if (running->data.numel() != static_cast<int64_t>(layer.shape.outputs())) return;
    const int64_t rank = graph_.tensor_type(layer.result).rank();
    if (rank != spatial_rank(graph_.node(layer.node)) + 2) return;
    for (const double value : running->data.to_doubles()) {
      layer.inverse_deviation.push_back(static_cast<float>(1.0 / std::sqrt(value + norm.arg("eps").as_double())));
    }
    layer.gamma = gamma;
    layer.beta = beta;
    layer.result = norm.output();
  }

  /// Whether a positive factor of a channel passes through the operator. `image`: channels are dimension 1 and space
  /// follows; otherwise they are the last dimension.
  bool passes(const Node& node, ValueId value, bool image) const {
    const std::string name = base_name(node.op);
    if (node.args.empty() || !node.args[0].value.is_value() || node.args[0].value.as_value() != value) return false;
    if (is_one_of(name, {"relu", "leaky_relu", "dropout", "contiguous", "clone", "detach", "alias"})) return true;
    if (name == "prelu") {
      const bool one_slope = graph_.tensor_type(node.arg("weight").as_value()).sizes() == std::vector<int64_t>{1};
      return one_slope || image || graph_.tensor_type(value).rank() == 2;
    }
    if (!image) return false;
    if (is_one_of(name, {"max_pool1d", "max_pool2d", "avg_pool1d", "avg_pool2d", "adaptive_avg_pool1d",
                         "adaptive_avg_pool2d", "upsample_nearest1d", "upsample_nearest2d", "upsample_bilinear2d"})) {
      return true;
    }
    if (name == "mean") return averages_space(node, graph_.tensor_type(value).rank()) && node.arg("keepdim").as_bool();
    if (name == "pad" || name == "constant_pad_nd") return pads_with_zeros(node, graph_.tensor_type(value).rank());
    return false;
  }

  static bool pads_with_zeros(const Node& node, int64_t rank) {
    if (!node.arg("pad").is_int_list()) return false;
    if (static_cast<int64_t>(node.arg("pad").as_ints().size()) > 2 * (rank - 2)) return false;
    if (node.has_arg("mode") && node.arg("mode").as_string() != "constant") return false;
    const Argument& filling = node.arg("value");
    return filling.is_none() || (filling.is_number() && filling.as_double() == 0.0);
  }

  static bool averages_space(const Node& mean, int64_t rank) {
    if (!mean.has_arg("dim") || !mean.arg("dim").is_int_list()) return false;
    std::vector<int64_t> dims = mean.arg("dim").as_ints();
    for (int64_t& dim : dims) dim += dim < 0 ? rank : 0;
    return !dims.empty() && std::all_of(dims.begin(), dims.end(), [](int64_t dim) { return dim >= 2; }) &&
           (mean.arg("keepdim").as_bool() || static_cast<int64_t>(dims.size()) == rank - 2);
  }

  /// How many elements of the flattened rows are one channel, if the operator leaves rows of channels.
  std::optional<size_t> flattens(const Node& node, ValueId value) const {
    const std::string name = base_name(node.op);
    if (name == "mean") {
      return averages_space(node, graph_.tensor_type(value).rank()) ? std::optional<size_t>(1) : std::nullopt;
    }
    if (!is_one_of(name, {"flatten", "reshape", "view"})) return std::nullopt;
    const std::vector<int64_t> before = graph_.tensor_type(value).sizes();
    const std::vector<int64_t> after = graph_.tensor_type(node.output()).sizes();
    size_t elements = 1;
    for (size_t i = 2; i < before.size(); ++i) elements *= static_cast<size_t>(before[i]);
    const bool rows =
        after.size() == 2 && after[0] == before[0] && after[1] == before[1] * static_cast<int64_t>(elements);
    return rows ? std::optional(elements) : std::nullopt;
  }

  /// Finds the layers that read a value; false when anything else does.
  bool collect(ValueId value, bool image, size_t repeat, EqualizedLayers& layers) const {
    if (graph_.is_output(value) || graph_.value(value).users.empty()) return false;
    for (const NodeId user : graph_.value(value).users) {
      const Node& node = graph_.node(user);
      if (is_layer(node)) {
        SecondLayer second{{}, repeat};
        const bool reads = node.arg("input").is_value() && node.arg("input").as_value() == value;
        if (!reads || (spatial_rank(node) > 0) != image || !read_layer(user, second.layer)) return false;
        if (second.layer.shape.inputs() != layers.first.shape.outputs() * repeat) return false;
        layers.seconds.push_back(std::move(second));
      } else if (passes(node, value, image) && (repeat == 1 || base_name(node.op) != "prelu")) {
        if (!collect(node.output(), image, repeat, layers)) return false;
      } else if (const auto elements = image ? flattens(node, value) : std::nullopt) {
        if (!collect(node.output(), false, *elements, layers)) return false;
      } else {
        return false;
      }
    }
    return true;
  }

  const Graph& graph_;
};

}  // namespace

std::vector<EqualizedLayers> find_equalized_layers(const Graph& graph) { return PairFinder(graph).find(); }

}  // namespace tinyml::quantization
