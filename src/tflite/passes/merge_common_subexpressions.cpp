#include <unordered_map>

#include "tflite/passes/editor.h"
#include "tflite/passes/passes.h"

namespace tinyml::tflite {
namespace {

// Operators of which two need not give the same result, or that hold state.
bool is_repeatable(const Operator& op) {
  switch (op.op) {
    case Op::RANDOM_UNIFORM:
    case Op::RANDOM_STANDARD_NORMAL:
    case Op::MULTINOMIAL:
    case Op::CUSTOM:
    case Op::IF:
    case Op::WHILE:
    case Op::CALL:
    case Op::CALL_ONCE:
    case Op::VAR_HANDLE:
    case Op::READ_VARIABLE:
    case Op::ASSIGN_VARIABLE:
    case Op::LSTM:
    case Op::SVDF:
    case Op::RNN:
    case Op::UNIDIRECTIONAL_SEQUENCE_LSTM:
    case Op::BIDIRECTIONAL_SEQUENCE_LSTM:
    case Op::UNIDIRECTIONAL_SEQUENCE_RNN:
      return false;
    default:
      return true;
  }
}

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
    if (!is_repeatable(op)) continue;
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
