#include "tflite/operator_traits.h"
#include "tflite/passes/editor.h"
#include "tflite/passes/passes.h"

namespace tinyml::tflite {
int remove_dead_code(Subgraph& subgraph) {
  const Uses uses = find_uses(subgraph);
  std::vector<char> needed(subgraph.operators.size(), 0);
  std::vector<int> open;
  const auto need = [&](int o) {
    if (o != kNoProducer && needed[static_cast<size_t>(o)] == 0) {
      needed[static_cast<size_t>(o)] = 1;
      open.push_back(o);
    }
  };
  for (int id : subgraph.outputs) need(uses.producer[static_cast<size_t>(id)]);
  for (size_t o = 0; o < subgraph.operators.size(); ++o) {
    if (has_effects(subgraph, subgraph.operators[o])) need(static_cast<int>(o));
  }
  while (!open.empty()) {
    const int o = open.back();
    open.pop_back();
    for (int id : subgraph.operators[static_cast<size_t>(o)].inputs) {
      if (id != kNoTensor) need(uses.producer[static_cast<size_t>(id)]);
    }
  }
  std::vector<Operator> kept;
  for (size_t o = 0; o < needed.size(); ++o) {
    if (needed[o] != 0) kept.push_back(std::move(subgraph.operators[o]));
  }
  const int removed = static_cast<int>(subgraph.operators.size() - kept.size());
  subgraph.operators = std::move(kept);
  return removed;
}

void drop_unused_tensors(Model& model) {
  for (Subgraph& subgraph : model.subgraphs) {
    std::vector<int> number(subgraph.tensors.size(), -1);
    std::vector<Tensor> kept;
    const auto keep = [&](int& id) {
      if (id == kNoTensor) return;
      int& n = number[static_cast<size_t>(id)];
      if (n < 0) {
        n = static_cast<int>(kept.size());
        kept.push_back(std::move(subgraph.tensors[static_cast<size_t>(id)]));
      }
      id = n;
    };
    for (int& id : subgraph.inputs) keep(id);
    for (Operator& op : subgraph.operators) {
      for (int& id : op.inputs) keep(id);
      for (int& id : op.outputs) keep(id);
      for (int& id : op.intermediates) keep(id);
    }
    for (int& id : subgraph.outputs) keep(id);
    for (Signature& signature : model.signatures) {
      if (signature.subgraph < 0 || &model.subgraphs.at(static_cast<size_t>(signature.subgraph)) != &subgraph) continue;
      for (auto& [name, id] : signature.inputs) keep(id);
      for (auto& [name, id] : signature.outputs) keep(id);
    }
    // Scales that are tensors of their own; the list of kept ones grows by what they need.
    for (size_t t = 0; t < kept.size(); ++t) {
      std::vector<int> related = kept[t].related;
      for (int& id : related) keep(id);
      kept[t].related = std::move(related);
    }
    subgraph.tensors = std::move(kept);
  }
}

}  // namespace tinyml::tflite
