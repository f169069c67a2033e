#include "quantize/refine/lockstep.h"

#include <algorithm>

#include "graph/node_notes.h"
#include "tinyml/evaluate.h"

namespace tinyml::quantization {
namespace {

/// In order of first occurrence.
std::vector<ValueId> distinct_values(const Node& node) {
  std::vector<ValueId> values;
  for (const NamedArgument& arg : node.args) {
    arg.value.for_each_value([&](ValueId value) {
      if (std::find(values.begin(), values.end(), value) == values.end()) values.push_back(value);
    });
  }
  return values;
}

}  // namespace

Lockstep::Lockstep(const Graph& graph, const std::vector<std::vector<Tensor>>& samples)
    : graph_(graph), samples_(samples.size()), values_(graph.value_limit()), readers_(graph.value_limit()) {
  size_t position = 0;
  for (const Input& input : graph.inputs()) {
    if (input.value == kNoValue) continue;
    ValuePair& values = pair(input.value);
    for (const std::vector<Tensor>& sample : samples) {
      if (position >= sample.size()) throw Error("a sample has fewer tensors than the model has inputs");
      values.exact.push_back(sample[position]);
    }
    ++position;
  }
  for (const Binding& binding : graph.bindings()) pair(binding.value) = {{binding.data}, {}, true};
  for (const NodeId id : graph.nodes()) {
    for (const ValueId value : distinct_values(graph.node(id))) ++readers_[index_of(value)];
  }
}

std::vector<Tensor> Lockstep::operands(const Node& node, size_t sample, bool exact) const {
  std::vector<Tensor> tensors;
  for (const ValueId value : distinct_values(node)) {
    const ValuePair& values = values_[index_of(value)];
    const std::vector<Tensor>& track = exact ? values.exact : values.quantized();
    tensors.push_back(track.at(values.constant ? 0 : sample));
  }
  return tensors;
}

void Lockstep::run(NodeId id) {
  const Node& node = graph_.node(id);
  const std::vector<ValueId> read = distinct_values(node);
  const bool constant = std::all_of(read.begin(), read.end(), [&](ValueId v) { return pair(v).constant; });
  const bool rounds = is_fake_quantize(node);
  const bool differs =
      rounds || std::any_of(read.begin(), read.end(), [&](ValueId v) { return !pair(v).rounded.empty(); });
  std::vector<ValuePair> results(node.outputs.size());
  for (size_t sample = 0; sample < (constant ? 1 : samples_); ++sample) {
    const auto keep = [&](bool exact) {
      const std::vector<Tensor> found = evaluate_node(graph_, id, operands(node, sample, exact));
      for (size_t i = 0; i < results.size(); ++i) {
        (exact ? results[i].exact : results[i].rounded).push_back(i < found.size() ? found[i] : Tensor());
      }
    };
    if (rounds) {
      const ValuePair& input = pair(node.arg("self").as_value());
      results[0].exact.push_back(input.exact.at(input.constant ? 0 : sample));
    } else {
      keep(true);
    }
    if (differs) keep(false);
  }
  for (size_t i = 0; i < results.size(); ++i) {
    if (node.outputs[i] == kNoValue) continue;
    results[i].constant = constant;
    pair(node.outputs[i]) = std::move(results[i]);
  }
}

void Lockstep::finish(NodeId id) {
  for (const ValueId value : distinct_values(graph_.node(id))) {
    if (--readers_[index_of(value)] == 0 && !pair(value).constant) pair(value) = {};
  }
  for (const ValueId output : graph_.node(id).outputs) {
    if (output != kNoValue && readers_[index_of(output)] == 0) pair(output) = {};
  }
}

}  // namespace tinyml::quantization
