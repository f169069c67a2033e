#include "tinyml/round_biases.h"

#include <cmath>
#include <map>
#include <optional>

#include "graph/node_notes.h"
#include "quantize/fake_quant_behind.h"
#include "quantize/insert_fake_quant.h"
#include "quantize/tie_rules.h"

namespace tinyml {
namespace {

using quantization::constant_value;
using quantization::fake_quant_behind;
using quantization::scales_of;
using quantization::Tie;
using quantization::tie_rule;

using Numbers = std::vector<double>;

constexpr double kBatchNormSteps = 64;  ///< kExactSteps of the converter (tflite/passes/quantization.h).

class BiasRounder {
 public:
  explicit BiasRounder(const Graph& graph) : graph_(graph) {}

  Graph run() {
    for (const NodeId id : graph_.nodes()) {
      if (const auto grid = grid_of(graph_.node(id))) collect(id, *grid);
      if (graph_.node(id).op == "aten.batch_norm.default") collect_batch_norm(graph_.node(id));
    }
    for (const auto& [binding, change] : changes_) {
      if (change.amount && graph_.value(binding).users.size() == change.layers) add(binding, *change.amount);
    }
    return std::move(graph_);
  }

 private:
  struct Change {
    std::optional<Numbers> amount;  ///< None: several layers want different ones.
    size_t layers = 0;              ///< That want it (the steps of a recurrent one).
  };

  /// The step of each of a layer's biases; nullopt when the layer does not run on integers.
  std::optional<Numbers> grid_of(const Node& node) const {
    if (tie_rule(graph_, node).tie != Tie::kLayer || !node.arg("bias").is_value()) return std::nullopt;
    const NodeId weights = graph_.value(node.arg("weight").as_value()).producer;
    if (weights == kNoNode || !is_fake_quantize(graph_.node(weights))) return std::nullopt;
    const Node* input = fake_quant_behind(graph_, node.arg("input").as_value());
    if (input == nullptr) return std::nullopt;
    const Numbers scale = scales_of(graph_, *input);
    if (scale.size() != 1) return std::nullopt;
    Numbers grid = scales_of(graph_, graph_.node(weights));
    // In float32, as the file's scale is.
    for (double& step : grid) step = static_cast<double>(static_cast<float>(scale[0]) * static_cast<float>(step));
    return grid;
  }

  /// What has to change for the bias to change: itself, or a batch norm's bias that is added to it last.
  const Binding* adjustable(ValueId bias) const {
    if (const Binding* own = graph_.binding_of(bias)) return own;
    const NodeId producer = graph_.value(bias).producer;
    if (producer == kNoNode || graph_.node(producer).op != "aten.add.Tensor") return nullptr;
    const Node& sum = graph_.node(producer);
    if (!sum.arg("self").is_value() || sum.arg("alpha").as_double() != 1.0) return nullptr;
    return graph_.binding_of(sum.arg("self").as_value());
  }

  void collect(NodeId id, const Numbers& grid) {
    const ValueId bias = graph_.node(id).arg("bias").as_value();
    const Binding* binding = adjustable(bias);
    if (binding != nullptr) adjust(*binding, constant_value(graph_, bias).to_doubles(), grid);
  }

  /// A batch norm that stands alone is a depthwise convolution: x * factor + shift, with weights of 64 steps.
  void collect_batch_norm(const Node& node) {
    const Node* input = fake_quant_behind(graph_, node.arg("input").as_value());
    if (input == nullptr) return;
    std::map<std::string, Numbers> parts;
    for (const char* name : {"running_mean", "running_var", "weight", "bias"}) {
      const Binding* data = node.arg(name).is_value() ? graph_.binding_of(node.arg(name).as_value()) : nullptr;
      if (data == nullptr) return;
      parts[name] = data->data.to_doubles();
      if (parts[name].size() != parts["running_mean"].size()) return;
    }
    const Numbers scale = scales_of(graph_, *input);
    if (scale.size() != 1) return;
    Numbers shift = parts["bias"];
    Numbers grid;
    for (size_t i = 0; i < shift.size(); ++i) {
      const double factor = parts["weight"][i] / std::sqrt(parts["running_var"][i] + node.arg("eps").as_double());
      shift[i] -= parts["running_mean"][i] * factor;
      grid.push_back(scale[0] * std::abs(factor) / kBatchNormSteps);
    }
    adjust(*graph_.binding_of(node.arg("bias").as_value()), std::move(shift), grid);
  }

  /// Moves the binding so that the sums `change`, which it is a term of, come to lie on the grid.
  void adjust(const Binding& binding, Numbers change, const Numbers& grid) {
    if (binding.data.type() != ScalarType::kFloat32) return;
    if (static_cast<int64_t>(change.size()) != binding.data.numel()) return;
    for (size_t i = 0; i < change.size(); ++i) {
      const double step = grid[grid.size() == 1 ? 0 : i];
      change[i] = std::isfinite(change[i]) && step > 0 ? std::nearbyint(change[i] / step) * step - change[i] : 0.0;
    }
    const auto [entry, inserted] = changes_.try_emplace(binding.value, Change{change, 0});
    if (!inserted && entry->second.amount != change) entry->second.amount = std::nullopt;
    ++entry->second.layers;
  }

  void add(ValueId value, const Numbers& change) {
    Tensor data = graph_.binding_of(value)->data.to(ScalarType::kFloat32).contiguous();
    float* numbers = data.mutable_data<float>();
    for (size_t i = 0; i < change.size(); ++i) {
      numbers[i] = static_cast<float>(static_cast<double>(numbers[i]) + change[i]);
    }
    graph_.set_binding_data(value, std::move(data));
  }

  Graph graph_;
  std::map<ValueId, Change> changes_;
};

}  // namespace

Graph round_biases(const Graph& graph) { return BiasRounder(graph).run(); }

}  // namespace tinyml
