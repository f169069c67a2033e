#include <algorithm>

#include "tflite/operator_traits.h"
#include "tflite/passes/editor.h"
#include "tflite/passes/passes.h"

namespace tinyml::tflite {
namespace {

// Whether `raised` is `shape` with ones in front.
bool only_leading_ones(const Shape& shape, const Shape& raised) {
  if (raised.size() <= shape.size()) return false;
  const auto missing = static_cast<std::ptrdiff_t>(raised.size() - shape.size());
  return std::all_of(raised.begin(), raised.begin() + missing, [](int32_t size) { return size == 1; }) &&
         std::equal(shape.begin(), shape.end(), raised.begin() + missing);
}

}  // namespace

int drop_rank_reshapes(Subgraph& subgraph) {
  Editor editor(subgraph);
  int changes = 0;
  for (int o = 0; o < editor.count(); ++o) {
    const Operator& op = editor.op(o);
    if (!is_arithmetic(op.op) || op.inputs.size() != 2) continue;
    for (size_t slot = 0; slot < 2; ++slot) {
      const int id = op.inputs[slot];
      const int reshape = editor.producer_of_kind(id, Op::RESHAPE);
      if (reshape == kNoProducer) continue;
      const int x = editor.op(reshape).inputs[0];
      // The other operand must have the rank that the result is to have.
      if (editor.tensor(op.inputs[1 - slot]).rank() != editor.tensor(op.outputs[0]).rank()) continue;
      if (editor.tensor(x).rank() == 0 || !only_leading_ones(editor.tensor(x).shape, editor.tensor(id).shape)) continue;
      editor.set_input(o, slot, x);
      ++changes;
    }
  }
  editor.finish();
  return changes;
}

int separate_outputs(Subgraph& subgraph) {
  int changes = 0;
  std::vector<int> taken;
  for (int& output : subgraph.outputs) {
    const bool is_input = std::find(subgraph.inputs.begin(), subgraph.inputs.end(), output) != subgraph.inputs.end();
    const bool repeated = std::find(taken.begin(), taken.end(), output) != taken.end();
    const bool is_constant = subgraph.tensors[static_cast<size_t>(output)].is_constant();
    if (is_input || repeated || is_constant) {
      Tensor copy = subgraph.tensors[static_cast<size_t>(output)];
      copy.buffer = Buffer();
      copy.name += "_output";
      const int id = subgraph.add_tensor(std::move(copy));
      subgraph.add_operator(Op::RESHAPE, {output}, {id}, ReshapeOptions{});
      output = id;
      ++changes;
    }
    taken.push_back(output);
  }
  return changes;
}

}  // namespace tinyml::tflite
