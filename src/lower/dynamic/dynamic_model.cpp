#include "lower/dynamic/dynamic_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "lower/lower_graph.h"
#include "lower/signature.h"
#include "tflite/dynamic/size_source.h"
#include "tinyml/functionalize.h"

namespace tinyml::lowering {
namespace {

using tflite::find_formula;
using tflite::is_constant;
using tflite::Samples;

constexpr int kAttempts = 12;

// Every symbolic size of the graph at all samples, and in the example behind them.
std::vector<Samples> symbolic_sizes(const Graph& graph, const std::vector<Assignment>& assignments) {
  std::map<std::string, Samples> sizes;
  const auto add = [&](const Dim& dim) {
    if (dim.is_static() || dim.hint() < 0) return;
    Samples& values = sizes[dim.expression()->to_srepr()];
    if (!values.empty()) return;
    for (const Assignment& assignment : assignments) values.push_back(size_at(dim, assignment));
  };
  const auto look = [&](ValueId id) {
    if (id == kNoValue) return;
    const Value& value = graph.value(id);
    for (const Dim& dim : value.tensor.shape) add(dim);
    if (value.kind == ValueKind::kSymInt && value.symbol) add(*value.symbol);
  };
  for (const Input& input : graph.inputs()) look(input.value);
  for (const NodeId id : graph.nodes()) {
    for (const ValueId output : graph.node(id).outputs) look(output);
  }
  std::vector<Samples> result;
  for (auto& [text, values] : sizes) result.push_back(std::move(values));
  return result;
}

// `wanted`: a size at the samples. What it is in the example.
int64_t example_of(const Samples& wanted, std::vector<Samples> pool) {
  Samples examples;
  for (Samples& values : pool) {
    examples.push_back(values.back());
    values.pop_back();
  }
  const auto formula = find_formula(wanted, pool);
  if (!formula) return -1;
  return formula->apply(examples[formula->a], formula->b ? examples[*formula->b] : 1);
}

// nullopt when two different sizes happen to be equal in the first sample.
std::optional<std::map<int32_t, int32_t>> find_examples(const std::vector<Lowered>& samples,
                                                        const std::vector<Samples>& pool) {
  std::map<int32_t, Samples> seen;
  std::map<int32_t, int32_t> examples;
  const tflite::Model& first = samples[0].model;
  for (size_t s = 0; s < first.subgraphs.size(); ++s) {
    for (size_t t = 0; t < first.subgraphs[s].tensors.size(); ++t) {
      for (size_t i = 0; i < first.subgraphs[s].tensors[t].shape.size(); ++i) {
        Samples values;
        for (const Lowered& sample : samples) {
          const tflite::Shape& shape = sample.model.subgraphs[s].tensors[t].shape;
          if (i < shape.size()) values.push_back(shape[i]);
        }
        if (values.size() != samples.size() || is_constant(values)) continue;
        const auto [known, is_new] = seen.try_emplace(static_cast<int32_t>(values[0]), values);
        if (!is_new && known->second != values) return std::nullopt;
        if (!is_new) continue;
        const int64_t example = example_of(values, pool);
        if (example >= 0) examples[static_cast<int32_t>(values[0])] = static_cast<int32_t>(example);
      }
    }
  }
  return examples;
}

bool have_equal_tensor_counts(const std::vector<Lowered>& samples) {
  return std::all_of(samples.begin(), samples.end(), [&](const Lowered& sample) {
    const auto& a = sample.model.subgraphs;
    const auto& b = samples[0].model.subgraphs;
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [](const auto& x, const auto& y) { return x.tensors.size() == y.tensors.size(); });
  });
}

// The sizes are set before the graph is normalized, which works with them (views into slices).
Lowered lower_at(const Graph& graph, const LowerOptions& options, const Assignment& assignment) {
  Lowered lowered = lower_graph(normalize(with_sizes(graph, assignment)), options, assignment);
  add_signature(options, lowered.outputs, lowered.model);
  return lowered;
}

}  // namespace

DynamicModel lower_dynamic(const Graph& graph, const LowerOptions& options) {
  const Assignment example = example_assignment(graph);
  lower_at(graph, options, example);  // What cannot be converted at any size is said in the user's sizes
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    std::vector<Assignment> assignments = sample_assignments(graph, example, attempt);
    std::vector<Lowered> samples;
    for (const Assignment& assignment : assignments) {
      samples.push_back(lower_at(graph, options, assignment));
    }
    assignments.push_back(example);
    DynamicModel result;
    if (have_equal_tensor_counts(samples)) {
      auto examples = find_examples(samples, symbolic_sizes(samples[0].graph, assignments));
      if (!examples) continue;
      result.examples = std::move(*examples);
    }
    std::vector<Diagnostic> problems;
    result.model = merge_samples(std::move(samples), problems);
    if (!problems.empty()) throw Error("the model cannot be converted to TFLite with dynamic sizes", problems);
    return result;
  }
  throw Error("the dynamic sizes of the model cannot be told apart",
              "this is a defect of the converter; please report it");
}

}  // namespace tinyml::lowering
