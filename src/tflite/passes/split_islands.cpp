#include <algorithm>
#include <set>

#include "tflite/passes/quantization.h"

namespace tinyml::tflite {
namespace {

constexpr size_t kLongestIsland = 12;  // Operators; longer ones do not run as a table anyway.

// The float operators from `start` up to the QUANTIZEs that end them; empty when it is no island (too long, or a float
// value escapes to an output).
std::set<int> island_from(const Editor& editor, int start) {
  std::set<int> members;
  std::vector<int> open = {start};
  while (!open.empty()) {
    const int o = open.back();
    open.pop_back();
    if (editor.op(o).op == Op::QUANTIZE || !members.insert(o).second) continue;
    if (members.size() > kLongestIsland) return {};
    for (int id : editor.op(o).outputs) {
      for (const Use& use : editor.consumers(id)) {
        if (use.op == kGraphOutput) return {};
        open.push_back(use.op);
      }
    }
  }
  return members;
}

}  // namespace

int split_islands(Subgraph& subgraph) {
  Editor editor(subgraph);
  int changes = 0;
  const int count = editor.count();
  for (int o = 0; o < count; ++o) {
    if (editor.op(o).op != Op::DEQUANTIZE || editor.tensor(editor.op(o).inputs[0]).is_constant()) continue;
    const int value = editor.op(o).outputs[0];
    const std::vector<Use> uses = editor.consumers(value);
    // Islands that share an operator share the DEQUANTIZE.
    std::vector<std::pair<std::set<int>, std::vector<Use>>> islands;
    for (const Use& use : uses) {
      if (use.op == kGraphOutput) continue;
      std::set<int> members = island_from(editor, use.op);
      if (members.empty()) continue;
      std::vector<Use> readers = {use};
      for (size_t i = islands.size(); i-- > 0;) {
        const bool meet = std::any_of(islands[i].first.begin(), islands[i].first.end(),
                                      [&](int member) { return members.contains(member); });
        if (!meet) continue;
        members.insert(islands[i].first.begin(), islands[i].first.end());
        readers.insert(readers.end(), islands[i].second.begin(), islands[i].second.end());
        islands.erase(islands.begin() + static_cast<std::ptrdiff_t>(i));
      }
      islands.emplace_back(std::move(members), std::move(readers));
    }
    size_t total = 0;
    for (const auto& island : islands) total += island.second.size();
    const bool others = total < uses.size();  // Someone else keeps the original.
    for (size_t i = others ? 0 : 1; i < islands.size(); ++i) {
      Operator copy = editor.op(o);
      copy.outputs = {editor.add_tensor(editor.tensor(value))};
      for (const Use& use : islands[i].second)
        editor.set_input(use.op, static_cast<size_t>(use.input), copy.outputs[0]);
      editor.add_operator(std::move(copy));
      ++changes;
    }
  }
  editor.finish();
  return changes;
}

}  // namespace tinyml::tflite
