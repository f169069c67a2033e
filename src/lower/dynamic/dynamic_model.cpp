#include "lower/dynamic/dynamic_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "lower/dynamic/size_source.h"
#include "lower/lower_graph.h"
#include "lower/signature.h"
#include "tinyml/functionalize.h"

namespace tinyml::lowering {
namespace {

using tflite::kNoTensor;
using tflite::Op;

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

int32_t example_size(int32_t size, const std::map<int32_t, int32_t>& examples) {
  const auto find = [&](int32_t x) {
    const auto found = examples.find(x);
    return found == examples.end() ? -1 : found->second;
  };
  if (const int32_t known = find(size); known >= 0) return known;
  int32_t result = -1;
  for (const auto& [sample, example] : examples) {  // merged with another size, or split by a constant
    if (sample <= 1 || size <= 0) continue;
    if (size % sample == 0) {
      const int32_t other = find(size / sample);
      if (other >= 0) return example * other;
      result = example * (size / sample);
    } else if (sample % size == 0 && example % (sample / size) == 0 && result < 0) {
      result = example / (sample / size);
    }
  }
  return result;
}

}  // namespace

namespace {

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

void make_reshape_operands(tflite::Model& model) {
  for (tflite::Subgraph& subgraph : model.subgraphs) {
    SizeSource source(subgraph);
    const auto add = [&](int id) {
      const tflite::Tensor& tensor = subgraph.tensors[static_cast<size_t>(id)];
      if (tensor.shape_signature.empty()) return;
      std::vector<Samples> dims;
      for (size_t i = 0; i < tensor.shape.size(); ++i) {
        // A second, made-up sample tells dynamic sizes from constant ones.
        const int64_t size = tensor.shape[i];
        dims.push_back({size, tensor.shape_signature[i] < 0 ? size + 1 : size});
      }
      source.add(id, dims);
    };
    for (const int id : subgraph.inputs) add(id);
    std::vector<tflite::Operator> operators = std::move(subgraph.operators);
    subgraph.operators.clear();
    for (tflite::Operator& op : operators) {
      if (op.op == Op::RESHAPE && op.inputs.size() == 1) {
        const tflite::Tensor out = subgraph.tensors[static_cast<size_t>(op.outputs[0])];
        if (std::count(out.shape_signature.begin(), out.shape_signature.end(), -1) > 1) {
          // One of them may be left to the runtime: the one hardest to compute, so try each.
          int shape = kNoTensor;
          for (size_t free = 0; free < out.shape.size() && shape == kNoTensor; ++free) {
            if (out.shape_signature[free] >= 0) continue;
            std::vector<Samples> elements;
            for (size_t i = 0; i < out.shape.size(); ++i) {
              const int64_t size = out.shape[i];
              if (i == free) {
                elements.push_back({-1, -1});
              } else {
                elements.push_back({size, out.shape_signature[i] < 0 ? size + 1 : size});
              }
            }
            shape = source.vector_of(elements);
          }
          if (shape == kNoTensor) {
            throw Error(fmt::format("the sizes of '{}' do not follow from those of tensors computed before", out.name),
                        "keep all but one of its dimensions constant");
          }
          op.inputs.push_back(shape);
        }
      }
      const std::vector<int> outputs = op.outputs;
      subgraph.operators.push_back(std::move(op));
      for (const int id : outputs) add(id);
    }
  }
}

void set_example_sizes(tflite::Model& model, const std::map<int32_t, int32_t>& examples) {
  for (tflite::Subgraph& subgraph : model.subgraphs) {
    for (tflite::Tensor& tensor : subgraph.tensors) {
      if (tensor.shape_signature.empty()) continue;
      for (size_t i = 0; i < tensor.shape.size(); ++i) {
        if (tensor.shape_signature[i] >= 0) continue;
        const int32_t size = example_size(tensor.shape[i], examples);
        if (size < 0) {
          throw Error(
              fmt::format("the size {} of '{}' follows from no size of the model", tensor.shape[i], tensor.name),
              "this is a defect of the converter; please report it");
        }
        tensor.shape[i] = size;
      }
    }
  }
}

}  // namespace tinyml::lowering
