#include <algorithm>
#include <map>

#include "tflite/passes/blocks.h"
#include "tflite/passes/passes.h"

namespace tinyml::tflite {
namespace {

constexpr size_t kMostParts = 4;  // Of a SPLIT that XNNPACK runs.

// The axis along which the blocks are all of the tensor in equal parts, one behind the other; -1 when there is none.
int split_axis(const Editor& editor, int source, const std::vector<int>& slices) {
  const Tensor& whole = editor.tensor(source);
  const Shape& first = editor.tensor(editor.op(slices[0]).outputs[0]).shape;
  int axis = -1;
  for (int d = 0; d < whole.rank(); ++d) {
    const auto i = static_cast<size_t>(d);
    if (first[i] == whole.shape[i]) continue;
    if (axis >= 0 || is_dynamic(whole, i)) return -1;
    if (static_cast<int64_t>(first[i]) * static_cast<int64_t>(slices.size()) != whole.shape[i]) return -1;
    axis = d;
  }
  if (axis < 0) return -1;
  int64_t at = 0;
  for (const int o : slices) {
    const int out = editor.op(o).outputs[0];
    const auto block = block_of(editor, out);
    if (!block || editor.tensor(out).shape != first) return -1;
    for (size_t i = 0; i < block->begin.size(); ++i) {
      if (block->begin[i] != (static_cast<int>(i) == axis ? at : 0)) return -1;
    }
    at += first[static_cast<size_t>(axis)];
  }
  return axis;
}

bool join(Editor& editor, int source, std::vector<int> slices) {
  std::stable_sort(slices.begin(), slices.end(), [&](int a, int b) {
    const auto x = block_of(editor, editor.op(a).outputs[0]), y = block_of(editor, editor.op(b).outputs[0]);
    return x && y && x->begin < y->begin;
  });
  const int axis = split_axis(editor, source, slices);
  if (axis < 0) return false;
  Operator split;
  split.op = Op::SPLIT;
  split.options = SplitOptions{static_cast<int32_t>(slices.size())};
  Tensor dimension;
  dimension.name = "axis";
  dimension.type = Type::INT32;
  dimension.buffer = Buffer::of(std::vector<int32_t>{axis});
  split.inputs = {editor.add_tensor(std::move(dimension)), source};
  for (const int o : slices) split.outputs.push_back(editor.op(o).outputs[0]);
  for (const int o : slices) editor.remove(o);
  editor.add_operator(std::move(split));
  return true;
}

}  // namespace

int join_slices(Subgraph& subgraph) {
  Editor editor(subgraph);
  int changes = 0;
  std::map<int, std::vector<int>> slices;  // By what they are slices of.
  for (int o = 0; o < editor.count(); ++o) {
    const Operator& op = editor.op(o);
    if (op.op == Op::SLICE && !op.channels_first) slices[op.inputs[0]].push_back(o);
  }
  for (const auto& [source, all] : slices) {
    if (all.size() >= 2 && all.size() <= kMostParts) changes += join(editor, source, all) ? 1 : 0;
  }
  editor.finish();
  return changes;
}

}  // namespace tinyml::tflite
