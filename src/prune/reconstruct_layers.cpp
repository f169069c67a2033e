#include <Eigen/Cholesky>
#include <algorithm>
#include <numeric>
#include <random>

#include "prune/batch_runner.h"
#include "prune/kept_shapes.h"
#include "prune/layer_rows.h"
#include "tinyml/evaluate.h"
#include "tinyml/recover.h"

namespace tinyml {
namespace {

using Eigen::Index;
using Eigen::MatrixXd;
using prune::BatchRunner;
using prune::LayerRows;

constexpr int64_t kChunk = 2048;  // Rows at a time: bounds the memory.

/// Normal equations of what a layer's outputs lack: columns are its inputs, and ones for the bias.
struct Equations {
  MatrixXd gram, right;
  double lacking = 0.0, energy = 0.0;
  int64_t rows = 0;
};

std::vector<int64_t> choose_positions(int64_t all, int64_t wanted, std::mt19937_64& random) {
  std::vector<int64_t> chosen;
  if (wanted >= all) {
    chosen.resize(static_cast<size_t>(all));
    std::iota(chosen.begin(), chosen.end(), 0);
    return chosen;
  }
  // One in each of `wanted` equal ranges.
  for (int64_t i = 0; i < wanted; ++i) {
    const int64_t begin = all * i / wanted, end = all * (i + 1) / wanted;
    chosen.push_back(begin + static_cast<int64_t>(random() % static_cast<uint64_t>(end - begin)));
  }
  return chosen;
}

Tensor doubles(const Tensor& tensor) { return tensor.to(ScalarType::kFloat64).contiguous(); }

Equations gather(const LayerRows& layer, NodeId id, const Graph& graph, const BatchRunner& original,
                 const BatchRunner& pruned, const std::vector<int64_t>& kept, const ReconstructOptions& options) {
  const bool has_bias = layer.bias() != kNoValue;
  const Index inputs = layer.columns() + (has_bias ? 1 : 0);
  const auto outputs = static_cast<Index>(kept.size());
  Equations equations{MatrixXd::Zero(inputs, inputs), MatrixXd::Zero(inputs, outputs), 0.0, 0.0, 0};
  const int64_t most = options.positions > 0 ? options.positions : std::max<int64_t>(8 * inputs, 4096);
  const int64_t share =
      (most + static_cast<int64_t>(pruned.batch_count()) - 1) / static_cast<int64_t>(pruned.batch_count());
  std::vector<int64_t> present(kept.size());
  std::iota(present.begin(), present.end(), 0);
  std::mt19937_64 random(options.seed);
  for (size_t batch = 0; batch < pruned.batch_count(); ++batch) {
    const Tensor& input = pruned.value(batch, layer.input());
    std::vector<Tensor> operands = {input, pruned.value(batch, layer.weight())};
    if (has_bias) operands.push_back(pruned.value(batch, layer.bias()));
    const Tensor now = doubles(evaluate_node(graph, id, operands).at(0));
    const Tensor wanted = doubles(original.value(batch, layer.output()));
    const Tensor in = doubles(input);
    const std::vector<int64_t> positions = choose_positions(layer.positions(now), share, random);
    for (size_t begin = 0; begin < positions.size(); begin += kChunk) {
      const size_t end = std::min(positions.size(), begin + kChunk);
      const std::vector<int64_t> part(positions.begin() + static_cast<std::ptrdiff_t>(begin),
                                      positions.begin() + static_cast<std::ptrdiff_t>(end));
      const auto rows = static_cast<Index>(part.size());
      MatrixXd a = MatrixXd::Ones(rows, inputs), target(rows, outputs), present_values(rows, outputs);
      layer.read_inputs(in, now, part, a.leftCols(layer.columns()));
      layer.read_outputs(wanted, part, kept, target);
      layer.read_outputs(now, part, present, present_values);
      const MatrixXd lacking = target - present_values;
      equations.gram.selfadjointView<Eigen::Lower>().rankUpdate(a.transpose());
      equations.right += a.transpose() * lacking;
      equations.lacking += lacking.squaredNorm();
      equations.energy += target.squaredNorm();
      equations.rows += rows;
    }
  }
  equations.gram = MatrixXd(equations.gram.selfadjointView<Eigen::Lower>());
  return equations;
}

/// Adds the change to weight and bias; a column for each output.
void add_change(Graph& graph, const LayerRows& layer, const MatrixXd& change) {
  const auto add = [&](ValueId id, Index first, Index count) {
    const Binding* binding = graph.binding_of(id);
    Tensor data = binding->data.to(ScalarType::kFloat64).contiguous();
    double* out = data.mutable_data<double>();
    for (Index o = 0; o < change.cols(); ++o) {
      for (Index i = 0; i < count; ++i) out[o * count + i] += change(first + i, o);
    }
    graph.set_binding_data(id, data.to(binding->data.type()));
  };
  add(layer.weight(), 0, layer.columns());
  if (layer.bias() != kNoValue) add(layer.bias(), layer.columns(), 1);
}

LayerReconstruction fit(Graph& graph, const LayerRows& layer, const Equations& equations, double ridge) {
  const double scale = equations.gram.trace() / static_cast<double>(equations.gram.rows());
  MatrixXd pulled = equations.gram;
  pulled.diagonal().array() += std::max(ridge * scale, 1e-12);
  const Eigen::LLT<MatrixXd> factors(pulled);
  LayerReconstruction report{graph.binding_of(layer.weight())->fqn, 0.0, 0.0};
  const double energy = std::max(equations.energy, 1e-300);
  report.error_before = report.error_after = equations.lacking / energy;
  if (factors.info() != Eigen::Success) return report;
  const MatrixXd change = factors.solve(equations.right);
  const double left = equations.lacking - 2.0 * change.cwiseProduct(equations.right).sum() +
                      change.cwiseProduct(equations.gram * change).sum();
  if (!change.allFinite() || !(left < equations.lacking)) return report;
  report.error_after = std::max(left, 0.0) / energy;
  add_change(graph, layer, change);
  return report;
}

}  // namespace

Reconstruction reconstruct_layers(const Graph& original, const DependencyGraph& dependencies, const PruningPlan& plan,
                                  const Graph& pruned, const Batches& batches, const ReconstructOptions& options) {
  if (!(options.ridge >= 0.0)) throw Error("the ridge of a reconstruction is 0 or more");
  const std::vector<bool> units = kept_units(original, dependencies, plan);
  const prune::KeptShapes shapes(original, dependencies, units);
  Reconstruction result{pruned, {}};
  BatchRunner whole(original, batches);
  BatchRunner cut(result.graph, batches);
  if (whole.nodes() != cut.nodes()) {
    throw Error("the pruned graph has other operators than the original",
                "pass what apply_plan() made of the original");
  }
  for (const NodeId id : whole.nodes()) {
    whole.run(id);
    const std::optional<LayerRows> layer = LayerRows::of(result.graph, id);
    if (layer) {
      const Binding* before = original.binding_of(layer->weight());
      const Binding* after = result.graph.binding_of(layer->weight());
      if (before != nullptr && before->data.size(1) > after->data.size(1)) {
        std::vector<int64_t> kept;
        const std::vector<bool> alive = shapes.alive(layer->output(), layer->channel_dim());
        for (size_t i = 0; i < alive.size(); ++i) {
          if (alive[i]) kept.push_back(static_cast<int64_t>(i));
        }
        TINYML_CHECK(static_cast<int64_t>(kept.size()) == after->data.size(0));
        const Equations equations = gather(*layer, id, result.graph, whole, cut, kept, options);
        result.layers.push_back(fit(result.graph, *layer, equations, options.ridge));
      }
    }
    cut.run(id);
  }
  return result;
}

}  // namespace tinyml
