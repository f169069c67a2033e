#include "lower/dynamic/samples.h"

#include <fmt/format.h>

#include <functional>
#include <set>

namespace tinyml::lowering {
namespace {

constexpr size_t kSamples = 4;

void collect_symbols(const SymExpr& expression, std::set<std::string>& names) {
  if (expression.kind() == SymExpr::Kind::kSymbol) names.insert(expression.name());
  for (const auto& operand : expression.operands()) collect_symbols(*operand, names);
}

// A symbol's value where its only expression, a * symbol + b, has the size it had at capture.
bool solve(const Dim& dim, const std::string& name, int64_t& value) {
  const auto at = [&](int64_t x) { return size_at(dim, {{name, x}}); };
  const int64_t offset = at(0);
  const int64_t factor = at(1) - offset;
  if (factor == 0 || at(1000) != 1000 * factor + offset || (dim.hint() - offset) % factor != 0) return false;
  value = (dim.hint() - offset) / factor;
  return true;
}

bool is_prime(int64_t number) {
  for (int64_t divisor = 2; divisor * divisor <= number; ++divisor) {
    if (number % divisor == 0) return false;
  }
  return number > 1;
}

/// Whether the symbol, `last` at the last sample, would be a multiple of another symbol and a constant at all samples.
bool follows_another(const std::vector<Assignment>& samples, const std::string& name, int64_t last) {
  const auto rise = [&](const std::string& symbol, size_t k) {
    const bool open = symbol == name && k + 1 == samples.size();
    return (open ? last : samples[k].at(symbol)) - samples[0].at(symbol);
  };
  for (const auto& [other, value] : samples.back()) {
    bool follows = true;
    for (size_t k = 2; k < samples.size(); ++k) {
      follows = follows && rise(name, k) * rise(other, 1) == rise(other, k) * rise(name, 1);
    }
    if (follows) return true;
  }
  return false;
}

}  // namespace

bool has_symbols(const Graph& graph) {
  for (const NodeId id : graph.nodes()) {
    for (const ValueId output : graph.node(id).outputs) {
      if (output != kNoValue && graph.value(output).kind == ValueKind::kTensor &&
          !graph.tensor_type(output).is_static()) {
        return true;
      }
    }
  }
  for (const Input& input : graph.inputs()) {
    if (input.value != kNoValue && graph.value(input.value).kind == ValueKind::kTensor &&
        !graph.tensor_type(input.value).is_static()) {
      return true;
    }
  }
  return false;
}

int64_t size_at(const Dim& dim, const Assignment& assignment) {
  if (dim.is_static()) return dim.hint();
  return dim.expression()->evaluate([&](const std::string& name) {
    const auto found = assignment.find(name);
    if (found == assignment.end()) {
      throw Error(fmt::format("the size {} depends on data", name),
                  "give the operator that makes it a result of fixed size, with torch.where or a mask");
    }
    return found->second;
  });
}

Assignment example_assignment(const Graph& graph) {
  Assignment example;
  std::set<std::string> names;
  for (const Input& input : graph.inputs()) {
    if (input.value == kNoValue || graph.value(input.value).kind != ValueKind::kTensor) continue;
    for (const Dim& dim : graph.tensor_type(input.value).shape) {
      if (dim.is_static()) continue;
      std::set<std::string> own;
      collect_symbols(*dim.expression(), own);
      names.insert(own.begin(), own.end());
      int64_t value = 0;
      if (own.size() == 1 && solve(dim, *own.begin(), value)) example[*own.begin()] = value;
    }
  }
  for (const std::string& name : names) {
    if (example.contains(name)) continue;
    throw Error(fmt::format("the dynamic size {} does not follow from the size of an input", name),
                "state each dynamic dimension by a Dim of its own");
  }
  return example;
}

std::vector<Assignment> sample_assignments(const Graph& graph, const Assignment& example, int attempt) {
  std::set<int64_t> taken;
  for (const Binding& binding : graph.bindings())
    taken.insert(binding.data.shape().begin(), binding.data.shape().end());
  std::vector<Assignment> samples(kSamples);
  for (size_t k = 0; k < kSamples; ++k) {
    int64_t place = 0;
    for (const auto& [name, value] : example) {
      // Apart from each other, so that what is computed from different symbols is different as well.
      int64_t next = std::max<int64_t>(11, value + 1);
      next += next * place / 3 + attempt * 17 * (place + 1);
      ++place;
      const auto fits = [&] {
        if (taken.contains(next) || (k == 1 ? next % 2 != 0 : !is_prime(next))) return false;
        return k + 1 < kSamples || !follows_another(samples, name, next);
      };
      while (!fits()) ++next;
      samples[k][name] = next;
      taken.insert(next);
    }
  }
  return samples;
}

Graph with_sizes(Graph graph, const Assignment& assignment) {
  const auto evaluate = [&](ValueId id) {
    if (id == kNoValue || graph.value(id).kind != ValueKind::kTensor || graph.tensor_type(id).is_static()) return;
    TensorType type = graph.tensor_type(id);
    for (std::vector<Dim>* dims : {&type.shape, &type.strides}) {
      for (Dim& dim : *dims) {
        if (!dim.is_static() && dim.hint() >= 0) dim = Dim(dim.expression(), size_at(dim, assignment));
      }
    }
    graph.set_tensor_type(id, std::move(type));
  };
  for (const Input& input : graph.inputs()) evaluate(input.value);
  for (const NodeId id : graph.nodes()) {
    const std::vector<ValueId> outputs = graph.node(id).outputs;
    for (const ValueId output : outputs) evaluate(output);
  }
  return graph;
}

}  // namespace tinyml::lowering
