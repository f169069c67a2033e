#include "tinyml/refine.h"

#include <algorithm>

#include "quantize/refine/layer.h"
#include "quantize/refine/lockstep.h"
#include "quantize/refine/mean_error.h"
#include "quantize/refine/round_weights.h"
#include "quantize/refine/unfold.h"
#include "tinyml/analysis.h"
#include "tinyml/evaluate.h"
#include "tinyml/round_biases.h"

namespace tinyml {
namespace {

using namespace quantization;

constexpr int64_t kBlock = 768;       // columns of a weight that are rounded together
constexpr int64_t kPositions = 4096;  // output positions looked at
constexpr int64_t kLeastExamples = 8, kMostExamples = 32;
constexpr int64_t kCorrectionMacs = 60'000'000'000;     // each example is evaluated twice
constexpr int64_t kCorrectionBytes = int64_t{2} << 30;  // and has both values in memory

class Refiner {
 public:
  Refiner(const Graph& graph, const std::vector<std::vector<Tensor>>& samples, const RefineOptions& options)
      : graph_(graph), values_(graph_, samples), options_(options) {}

  Graph run(std::vector<RefinedLayer>* layers) {
    for (const NodeId id : graph_.nodes()) {
      const std::optional<Layer> layer = find_layer(graph_, id);
      RefinedLayer refined;
      if (layer && options_.round_weights) round(*layer, refined);
      values_.run(id);
      if (layer && options_.correct_bias) refined.bias_corrected = correct_bias(*layer);
      if (layer && layers != nullptr) {
        refined.name = graph_.value(graph_.node(id).output()).name;
        refined.module_path = graph_.node(id).module_path();
        layers->push_back(std::move(refined));
      }
      values_.finish(id);
    }
    return std::move(graph_);
  }

 private:
  /// Scale of each output channel (row of the weight).
  Eigen::VectorXd scales_of(const Node& fake_quant, int64_t rows) {
    const std::vector<double> scales = values_.pair(fake_quant.arg("scale").as_value()).exact.at(0).to_doubles();
    Eigen::VectorXd result(rows);
    for (int64_t row = 0; row < rows; ++row) result(row) = scales[scales.size() == 1 ? 0 : static_cast<size_t>(row)];
    return result;
  }

  void round(const Layer& layer, RefinedLayer& refined) {
    if (layer.weight == kNoValue) return;
    const std::optional<Window> window = find_window(graph_, layer);
    const ValuePair& inputs = values_.pair(layer.input);
    const Node& fake_quant = graph_.node(layer.weight_fq);
    const Argument& scale = fake_quant.arg("scale");
    if (!window || inputs.constant || !scale.is_value() || graph_.binding_of(scale.as_value()) == nullptr) return;
    if (inputs.exact.at(0).type() != ScalarType::kFloat32) return;
    Tensor weight = values_.pair(fake_quant.arg("self").as_value()).exact.at(0).contiguous();
    if (weight.type() != ScalarType::kFloat32) return;
    const int64_t rows = weight.size(0);
    const int64_t columns = weight.numel() / rows;
    const Eigen::VectorXd scales = scales_of(fake_quant, rows);
    using RowMajor = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
    const Eigen::Map<RowMajor> stored(weight.mutable_data<float>(), rows, columns);
    const Eigen::MatrixXd units = scales.cwiseInverse().asDiagonal() * stored.cast<double>();
    Eigen::MatrixXd integers(rows, columns);
    const auto low = static_cast<double>(fake_quant.arg("quant_min").as_int());
    const auto high = static_cast<double>(fake_quant.arg("quant_max").as_int());
    const int64_t group_rows = rows / window->groups;
    double nearest = 0.0;
    double chosen = 0.0;
    double signal = 0.0;
    for (int64_t group = 0; group < window->groups; ++group) {
      const int64_t first_row = group * group_rows;
      for (int64_t first = 0; first < columns; first += kBlock) {
        const int64_t count = std::min(kBlock, columns - first);
        const Eigen::MatrixXf read = unfold(inputs.quantized(), *window, group, first, count, kPositions);
        const Eigen::MatrixXd block = units.block(first_row, first, group_rows, count);
        const Eigen::VectorXd row_weight = scales.segment(first_row, group_rows).cwiseAbs2();
        integers.block(first_row, first, group_rows, count) =
            round_rows(block, read, low, high, row_weight, nearest, chosen);
        signal += (row_weight.cwiseSqrt().asDiagonal() * block * read.cast<double>()).squaredNorm();
      }
    }
    refined.nearest_error = signal > 0.0 ? nearest / signal : 0.0;
    refined.rounded_error = signal > 0.0 ? chosen / signal : 0.0;
    const Eigen::MatrixXf rounded = (scales.asDiagonal() * integers).cast<float>();
    store(layer, Tensor::from<float>(flatten(rounded), weight.shape()));
  }

  static std::vector<float> flatten(const Eigen::MatrixXf& matrix) {
    std::vector<float> values;
    values.reserve(static_cast<size_t>(matrix.size()));
    for (Eigen::Index row = 0; row < matrix.rows(); ++row) {
      for (Eigen::Index col = 0; col < matrix.cols(); ++col) values.push_back(matrix(row, col));
    }
    return values;
  }

  /// The parameter becomes what gives the rounded weight; the float track keeps the original.
  void store(const Layer& layer, const Tensor& rounded) {
    Tensor parameter = rounded;
    if (layer.factor != kNoValue) {
      const Tensor factor = values_.pair(layer.factor).exact.at(0).contiguous();
      const std::span<const float> factors = factor.data<float>();
      float* data = parameter.mutable_data<float>();
      const Tensor old = graph_.binding_of(layer.weight)->data.contiguous();
      const size_t inner = static_cast<size_t>(rounded.numel()) / factors.size();
      for (size_t i = 0; i < static_cast<size_t>(rounded.numel()); ++i) {
        const float by = factors[i / inner];
        data[i] = by == 0.0f ? old.data<float>()[i] : data[i] / by;
      }
    }
    graph_.set_binding_data(layer.weight, parameter);
    values_.pair(graph_.node(layer.node).arg("weight").as_value()).rounded = {rounded};
  }

  /// Where a layer's bias comes from: a parameter of its own or, with batch norm folded in, the batch norm's.
  ValueId bias_parameter(const Node& node) const {
    if (!node.arg("bias").is_value()) return kNoValue;
    ValueId bias = node.arg("bias").as_value();
    if (graph_.value(bias).users.size() != 1) return kNoValue;
    if (const NodeId producer = graph_.value(bias).producer; producer != kNoNode) {
      const Node& sum = graph_.node(producer);
      if (sum.op != "aten.add.Tensor" || !sum.arg("self").is_value()) return kNoValue;
      bias = sum.arg("self").as_value();
    }
    const bool own = graph_.binding_of(bias) != nullptr && graph_.value(bias).users.size() == 1;
    return own && graph_.binding_of(bias)->data.type() == ScalarType::kFloat32 ? bias : kNoValue;
  }

  bool correct_bias(const Layer& layer) {
    const Node& node = graph_.node(layer.node);
    const ValueId bias = bias_parameter(node);
    ValuePair& results = values_.pair(node.output());
    if (bias == kNoValue || results.constant || results.rounded.empty()) return false;
    Tensor data = graph_.binding_of(bias)->data.contiguous();
    const int64_t dimension = channel_dimension(node, results.exact[0].rank());
    const auto channels = static_cast<size_t>(results.exact[0].size(dimension));
    if (static_cast<size_t>(data.numel()) != channels) return false;
    size_t inner = 1;
    for (int64_t i = dimension + 1; i < results.exact[0].rank(); ++i) {
      inner *= static_cast<size_t>(results.exact[0].size(i));
    }
    const std::vector<double> shift = significant_mean_error(results, dimension > 0, channels, inner);
    float* values = data.mutable_data<float>();
    for (size_t i = 0; i < channels; ++i) values[i] += static_cast<float>(shift[i]);
    for (Tensor& result : results.rounded) {
      result = result.contiguous();
      float* at = result.mutable_data<float>();
      for (size_t i = 0; i < static_cast<size_t>(result.numel()); ++i) {
        at[i] += static_cast<float>(shift[i / inner % channels]);
      }
    }
    graph_.set_binding_data(bias, data);
    return true;
  }

  Graph graph_;
  Lockstep values_;
  RefineOptions options_;
};

}  // namespace

Graph refine(const Graph& graph, const std::vector<std::vector<Tensor>>& samples, const RefineOptions& options,
             std::vector<RefinedLayer>* layers) {
  if (samples.empty()) throw Error("there is no sample to refine with", "give representative inputs");
  check_evaluable(graph);
  return round_biases(Refiner(graph, samples, options).run(layers));
}

size_t runs_to_correct_biases(const Graph& graph, int64_t examples) {
  const ModelCost cost = count_cost(graph);
  const int64_t macs = cost.total.macs;
  examples = std::max<int64_t>(1, examples);
  const int64_t affordable = macs > 0 ? kCorrectionMacs / 2 / macs * examples : kLeastExamples;
  const int64_t wanted = std::clamp(affordable, kLeastExamples, kMostExamples);
  const int64_t fitting = kCorrectionBytes / 2 / std::max<int64_t>(1, cost.peak_activation_bytes);
  return static_cast<size_t>(std::max<int64_t>(1, std::min(wanted / examples, fitting)));
}

}  // namespace tinyml
