#include <unordered_map>

#include "tflite/operator_traits.h"
#include "tflite/passes/editor.h"
#include "tflite/passes/passes.h"

namespace tinyml::tflite {
namespace {

size_t hash_of(const Operator& op) {
  size_t hash = static_cast<size_t>(op.op);
  for (int id : op.inputs) hash = hash * 1000003 + static_cast<size_t>(id + 1);
  return hash;
}

}  // namespace

int merge_common_subexpressions(Subgraph& subgraph) {
  Editor editor(subgraph);
  std::unordered_multimap<size_t, int> seen;
  int changes = 0;
  for (int o = 0; o < editor.count(); ++o) {
    const Operator& op = editor.op(o);
    if (!is_repeatable(subgraph, op)) continue;
    const auto same = [&](const Operator& other) {
      if (op.op != other.op || op.inputs != other.inputs || !(op.options == other.options) ||
          op.outputs.size() != other.outputs.size() || op.channels_first != other.channels_first) {
        return false;
      }
      for (size_t i = 0; i < op.outputs.size(); ++i) {
        if (!same_kind(editor.tensor(op.outputs[i]), editor.tensor(other.outputs[i]))) return false;
        if (editor.is_output(op.outputs[i])) return false;  // Outputs stay apart.
      }
      return true;
    };
    const size_t hash = hash_of(op);
    const auto [first, last] = seen.equal_range(hash);
    int twin = kNoProducer;
    for (auto at = first; at != last; ++at) {
      if (same(editor.op(at->second))) twin = at->second;
    }
    if (twin == kNoProducer) {
      seen.emplace(hash, o);
      continue;
    }
    const std::vector<int> outputs = op.outputs;
    const std::vector<int> others = editor.op(twin).outputs;
    editor.remove(o);
    for (size_t i = 0; i < outputs.size(); ++i) editor.replace_uses(outputs[i], others[i]);
    ++changes;
  }
  editor.finish();
  return changes;
}

}  // namespace tinyml::tflite
