#include <algorithm>
#include <deque>

#include "tflite/passes/passes.h"
#include "tflite/uses.h"

namespace tinyml::tflite {
namespace {

// By subgraph: how many operators and signatures refer to it. Empty when an operator may refer to one unseen.
std::vector<int> count_callers(const Model& model) {
  std::vector<int> callers(model.subgraphs.size(), 0);
  const auto call = [&](int64_t subgraph) {
    if (subgraph >= 0 && subgraph < static_cast<int64_t>(callers.size())) ++callers[static_cast<size_t>(subgraph)];
  };
  call(0);
  for (const Signature& signature : model.signatures) call(signature.subgraph);
  for (const Subgraph& subgraph : model.subgraphs) {
    for (const Operator& op : subgraph.operators) {
      if (const auto* branch = std::get_if<IfOptions>(&op.options)) {
        call(branch->then_subgraph), call(branch->else_subgraph);
      } else if (const auto* loop = std::get_if<WhileOptions>(&op.options)) {
        call(loop->cond_subgraph), call(loop->body_subgraph);
      } else if (const auto* other = std::get_if<CallOptions>(&op.options)) {
        call(other->subgraph);
      } else if (std::holds_alternative<CarriedOptions>(op.options)) {
        return {};
      }
    }
  }
  return callers;
}

// Keeps the elements whose flag is set.
void keep_only(std::vector<int>& ids, const std::vector<bool>& kept) {
  size_t next = 0;
  for (size_t i = 0; i < ids.size(); ++i) {
    if (kept[i]) ids[next++] = ids[i];
  }
  ids.resize(next);
}

}  // namespace

int drop_branch_outputs(Model& model) {
  const std::vector<int> callers = count_callers(model);
  if (callers.size() < 2) return 0;
  int changes = 0;
  std::deque<size_t> open;
  for (size_t s = 0; s < model.subgraphs.size(); ++s) open.push_back(s);
  while (!open.empty()) {  // A subgraph comes back only when its one caller has dropped some of its outputs.
    Subgraph& subgraph = model.subgraphs[open.front()];
    open.pop_front();
    const bool branches = std::any_of(subgraph.operators.begin(), subgraph.operators.end(),
                                      [](const Operator& op) { return op.op == Op::IF; });
    if (!branches) continue;
    const Uses uses = find_uses(subgraph);
    for (Operator& op : subgraph.operators) {
      const auto* options = std::get_if<IfOptions>(&op.options);
      if (op.op != Op::IF || options == nullptr || options->then_subgraph == options->else_subgraph) continue;
      const auto then_index = static_cast<size_t>(options->then_subgraph);
      const auto else_index = static_cast<size_t>(options->else_subgraph);
      if (then_index >= callers.size() || else_index >= callers.size()) continue;
      Subgraph& yes = model.subgraphs[then_index];
      Subgraph& no = model.subgraphs[else_index];
      const size_t count = op.outputs.size();
      if (callers[then_index] != 1 || callers[else_index] != 1 || yes.outputs.size() != count ||
          no.outputs.size() != count) {
        continue;
      }
      std::vector<bool> read(count);
      for (size_t i = 0; i < count; ++i) read[i] = !uses.consumers[static_cast<size_t>(op.outputs[i])].empty();
      if (std::none_of(read.begin(), read.end(), [](bool r) { return r; }) && count > 0) read[0] = true;
      if (std::all_of(read.begin(), read.end(), [](bool r) { return r; })) continue;
      changes += static_cast<int>(std::count(read.begin(), read.end(), false));
      keep_only(op.outputs, read);
      for (const size_t branch : {then_index, else_index}) {
        keep_only(model.subgraphs[branch].outputs, read);
        remove_dead_code(model.subgraphs[branch]);
        open.push_back(branch);
      }
    }
  }
  return changes;
}

}  // namespace tinyml::tflite
