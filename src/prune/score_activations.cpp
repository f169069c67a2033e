#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <map>

#include "prune/metrics.h"
#include "tinyml/evaluate.h"

namespace tinyml::prune {
namespace {

/// Operators behind a layer that work on its channels one by one: what is measured is what comes out of the last.
bool passes_channels(const std::string& op) {
  static constexpr std::string_view kNames[] = {
      "batch_norm", "relu", "relu6",    "hardtanh", "hardswish", "silu",  "gelu",    "hardsigmoid", "sigmoid",
      "leaky_relu", "elu",  "softplus", "mish",     "tanh",      "prelu", "dropout", "clamp",       "instance_norm"};
  const size_t begin = op.rfind("aten.", 0) == 0 ? 5 : 0;
  const std::string_view name = std::string_view(op).substr(begin, op.find('.', begin) - begin);
  return std::find(std::begin(kNames), std::end(kNames), name) != std::end(kNames);
}

ValueId behind_activation(const Graph& graph, ValueId value) {
  while (graph.value(value).users.size() == 1) {
    const Node& user = graph.node(graph.value(value).users.front());
    if (!passes_channels(user.op) || user.args.empty() || !user.args[0].value.is_value() ||
        user.args[0].value.as_value() != value || user.outputs.empty() || user.outputs[0] == kNoValue) {
      break;
    }
    value = user.outputs[0];
  }
  return value;
}

/// The values to measure, each with the one dimension that holds its channels.
std::map<ValueId, UnitBlock> measured_values(const Graph& graph, const DependencyGraph& dependencies) {
  std::map<ValueId, UnitBlock> result;
  for (const BindingAxis& axis : dependencies.axes) {
    if (axis.role != AxisRole::kProducer) continue;
    for (const NodeId user : graph.value(axis.value).users) {
      for (const ValueId output : graph.node(user).outputs) {
        if (output == kNoValue || graph.value(output).kind != ValueKind::kTensor) continue;
        const ValueId value = behind_activation(graph, output);
        for (const UnitBlock& block : dependencies.values[index_of(value)]) {
          if (block.dims.size() == 1 && block.dims[0] > 0) result.emplace(value, block);
        }
      }
    }
  }
  return result;
}

double rank_of(const float* map, int64_t rows, int64_t columns) {
  using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  const Eigen::Map<const Matrix> matrix(map, rows, columns);
  return static_cast<double>(Eigen::ColPivHouseholderQR<Matrix>(matrix).rank());
}

class Measurement {
 public:
  Measurement(const UnitBlock& block, ActivationMetric metric)
      : metric_(metric), dim_(block.dims[0]), scores_{block.units, std::vector<double>(block.units->size(), 0.0)} {}

  void add(const Tensor& activation) {
    const Tensor data = activation.to(ScalarType::kFloat32).contiguous();
    const auto* values = reinterpret_cast<const float*>(data.bytes());
    const int64_t size = data.size(dim_);
    int64_t inner = 1;
    for (int64_t dim = dim_ + 1; dim < data.rank(); ++dim) inner *= data.size(dim);
    const bool maps = data.rank() == dim_ + 3 && metric_ == ActivationMetric::kRank;
    const int64_t outer = data.numel() / std::max<int64_t>(size * inner, 1);
    for (int64_t row = 0; row < outer; ++row) {
      for (int64_t i = 0; i < size; ++i, values += inner) {
        double& score = scores_.values[static_cast<size_t>(i)];
        if (maps) {
          score += rank_of(values, data.size(dim_ + 1), data.size(dim_ + 2));
        } else if (metric_ == ActivationMetric::kApoz) {
          score += static_cast<double>(std::count_if(values, values + inner, [](float x) { return x > 0.0f; }));
        } else {
          for (int64_t k = 0; k < inner; ++k) score += std::abs(static_cast<double>(values[k]));
        }
      }
    }
    count_ += outer * (maps ? 1 : inner);
  }

  LayerScores take() {
    for (double& value : scores_.values) value /= static_cast<double>(std::max<int64_t>(count_, 1));
    return std::move(scores_);
  }

 private:
  ActivationMetric metric_;
  int64_t dim_;
  int64_t count_ = 0;
  LayerScores scores_;
};

}  // namespace

std::vector<LayerScores> score_activations(const Graph& graph, const DependencyGraph& dependencies,
                                           const ImportanceData& data, ActivationMetric metric) {
  if (data.batches.empty()) {
    throw Error("a metric of activations needs example inputs", "give some batches of training data");
  }
  std::map<ValueId, Measurement> measurements;
  for (const auto& [value, block] : measured_values(graph, dependencies)) {
    measurements.emplace(value, Measurement(block, metric));
  }
  EvaluateOptions run;
  run.on_value = [&](ValueId value, const Tensor& result) {
    const auto found = measurements.find(value);
    if (found != measurements.end() && result.defined()) found->second.add(result);
  };
  for (const std::vector<Tensor>& batch : data.batches) evaluate(graph, batch, run);
  std::vector<LayerScores> result;
  for (auto& [value, measurement] : measurements) result.push_back(measurement.take());
  return result;
}

}  // namespace tinyml::prune
