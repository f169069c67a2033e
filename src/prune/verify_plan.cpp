#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <span>

#include "prune/kept_shapes.h"
#include "tinyml/branches.h"
#include "tinyml/evaluate.h"
#include "tinyml/prune.h"

namespace tinyml {
namespace {

/// Normally distributed floats, zeros for integers.
std::vector<Tensor> random_inputs(const Graph& graph, uint64_t seed) {
  std::mt19937_64 generator(seed);
  std::normal_distribution<double> normal;
  std::vector<Tensor> inputs;
  for (const Input& input : graph.inputs()) {
    if (input.value == kNoValue) continue;
    const Value& value = graph.value(input.value);
    if (value.kind != ValueKind::kTensor) {
      inputs.push_back(Tensor::scalar<int64_t>(value.symbol ? value.symbol->hint() : 1));
      continue;
    }
    Tensor data(ScalarType::kFloat64, value.tensor.sizes());
    if (!is_floating_point(value.tensor.type)) {
      inputs.push_back(Tensor(value.tensor.type, value.tensor.sizes()));
      continue;
    }
    double* out = data.mutable_data<double>();
    for (int64_t i = 0; i < data.numel(); ++i) out[i] = normal(generator);
    inputs.push_back(std::move(data));
  }
  return inputs;
}

/// Largest difference relative to the largest magnitude (of the reference), infinite for NaN or another shape.
double relative_difference(const Tensor& reference, const Tensor& other) {
  if (reference.defined() != other.defined()) return HUGE_VAL;
  if (!reference.defined()) return 0.0;
  if (reference.shape() != other.shape()) return HUGE_VAL;
  const std::vector<double> a = reference.to_doubles(), b = other.to_doubles();
  double scale = 0.0, difference = 0.0;
  for (size_t i = 0; i < a.size(); ++i) {
    if (std::isnan(a[i]) != std::isnan(b[i])) return HUGE_VAL;
    if (std::isnan(a[i]) || a[i] == b[i]) continue;
    scale = std::max(scale, std::abs(a[i]));
    difference = std::max(difference, std::abs(a[i] - b[i]));
  }
  for (double value : a) scale = std::max(scale, std::isnan(value) ? 0.0 : std::abs(value));
  return difference == 0.0 ? 0.0 : scale == 0.0 ? HUGE_VAL : difference / scale;
}

/// Which elements of a value remain. Joint blocks are cut as a whole.
std::vector<bool> remaining(const Tensor& data, const DependencyGraph& dependencies, const std::vector<bool>& kept,
                            ValueId value) {
  std::vector<int64_t> indices(static_cast<size_t>(data.rank()), 0);
  std::vector<bool> result(static_cast<size_t>(data.numel()), true);
  for (size_t element = 0; element < result.size(); ++element) {
    for (const UnitBlock& block : dependencies.values[index_of(value)]) {
      int64_t at = 0;
      for (size_t i = 0; i < block.dims.size(); ++i) {
        at = at * block.shape[i] + indices[static_cast<size_t>(block.dims[i])];
      }
      const UnitId unit = (*block.units)[static_cast<size_t>(at)];
      if (unit != kPinnedUnit && !kept[static_cast<size_t>(unit)]) result[element] = false;
    }
    for (size_t dim = indices.size(); dim-- > 0;) {
      if (++indices[dim] < data.shape()[dim]) break;
      indices[dim] = 0;
    }
  }
  return result;
}

/// The elements of a value that remain.
Tensor cut_value(const Tensor& data, const DependencyGraph& dependencies, const std::vector<bool>& kept,
                 ValueId value) {
  const std::vector<bool> alive = remaining(data, dependencies, kept, value);
  const std::vector<double> values = data.to_doubles();
  std::vector<double> result;
  for (size_t i = 0; i < values.size(); ++i) {
    if (alive[i]) result.push_back(values[i]);
  }
  const auto count = static_cast<int64_t>(result.size());
  return Tensor::from(result, {count});
}

/// A removed channel may be no number where it is divided by its own norm, 0 / 0; nothing that remains reads it, but a
/// zero weight times no number is none: there it is zero.
void set_removed_to_zero(Tensor& data, const DependencyGraph& dependencies, const std::vector<bool>& kept,
                         ValueId value) {
  if (!data.defined() || data.type() != ScalarType::kFloat64 || dependencies.values[index_of(value)].empty()) return;
  const std::span<const double> values = data.data<double>();
  const auto is_finite = [](double x) { return std::isfinite(x); };
  if (std::all_of(values.begin(), values.end(), is_finite)) return;
  const std::vector<bool> alive = remaining(data, dependencies, kept, value);
  double* out = data.mutable_data<double>();
  for (size_t i = 0; i < alive.size(); ++i) {
    if (!alive[i] && !std::isfinite(out[i])) out[i] = 0;
  }
}

/// Runs both graphs again, comparing every value where it remains, and names the operator that differs first.
[[noreturn]] void report_first_difference(const Graph& masked, const Graph& pruned, const DependencyGraph& dependencies,
                                          const std::vector<bool>& kept, const std::vector<Tensor>& inputs,
                                          EvaluateOptions run, const VerifyPlanOptions& options) {
  std::map<ValueId, Tensor> expected;
  run.on_value = [&](ValueId value, const Tensor& data) {
    if (data.defined()) expected.emplace(value, cut_value(data, dependencies, kept, value));
  };
  evaluate(masked, inputs, run);
  run.adjust_value = nullptr;
  Diagnostic first{"the outputs differ", "", {}, ""};
  bool found = false;
  run.on_value = [&](ValueId value, const Tensor& data) {
    const auto reference = expected.find(value);
    if (found || reference == expected.end() || !data.defined()) return;
    const Tensor flat = data.to(ScalarType::kFloat64).reshaped({data.numel()});
    const double difference = relative_difference(reference->second, flat);
    if (difference <= options.tolerance) return;
    found = true;
    const NodeId producer = pruned.value(value).producer;
    first.what = fmt::format("'{}' differs by {:.2g} of its range", pruned.value(value).name, difference);
    if (producer == kNoNode) return;
    const Node& node = pruned.node(producer);
    first.what = fmt::format("{} ('{}', [{}]) differs by {:.2g} of its range", node.op, pruned.value(value).name,
                             fmt::join(data.shape(), ", "), difference);
    first.module_path = node.module_path();
    first.where = node.source();
  };
  evaluate(pruned, inputs, run);
  first.remedy = "nothing was changed; exclude this module from pruning (exclude_ops) and report the model";
  throw Error("the pruned model does not equal the original with the removed channels set to zero", {first});
}

}  // namespace

void verify_plan(const Graph& graph, const DependencyGraph& dependencies, const PruningPlan& plan,
                 const VerifyPlanOptions& options) {
  const std::vector<bool> kept = kept_units(graph, dependencies, plan);
  const Graph masked = mask_graph(graph, dependencies, plan);
  const Graph pruned = apply_plan(graph, dependencies, plan);
  const std::vector<Tensor> inputs = options.inputs.empty() ? random_inputs(graph, options.seed) : options.inputs;
  EvaluateOptions run;
  run.float64 = true;
  const std::vector<Tensor> actual = evaluate(pruned, inputs, run);
  const auto agree = [&](const EvaluateOptions& how) {
    const std::vector<Tensor> expected = evaluate(masked, inputs, how);
    TINYML_CHECK(expected.size() == actual.size());
    return std::equal(expected.begin(), expected.end(), actual.begin(),
                      [&](const Tensor& a, const Tensor& b) { return relative_difference(a, b) <= options.tolerance; });
  };
  if (agree(run)) return;
  run.adjust_value = [&](ValueId value, Tensor& data) { set_removed_to_zero(data, dependencies, kept, value); };
  if (!agree(run)) report_first_difference(masked, pruned, dependencies, kept, inputs, run, options);
}

void verify_plan(const Graph& graph, const PruningPlan& plan, const VerifyPlanOptions& options) {
  const Graph whole = remove_branches(graph, plan.removed_branches);
  verify_plan(whole, analyze_dependencies(whole, plan.dependencies), plan, options);
}

}  // namespace tinyml
