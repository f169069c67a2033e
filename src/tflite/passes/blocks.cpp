#include "tflite/passes/blocks.h"

#include "tflite/constant_values.h"

namespace tinyml::tflite {

bool is_dynamic(const Tensor& tensor, size_t axis) {
  return !tensor.shape_signature.empty() && tensor.shape_signature[axis] < 0;
}

bool same_values(const Editor& editor, int a, int b) {
  const Tensor& x = editor.tensor(a);
  const Tensor& y = editor.tensor(b);
  return x.type == y.type && x.quantization == y.quantization && !x.quantization.per_channel();
}

std::optional<Block> block_of(const Editor& editor, int id) {
  const int o = editor.producer(id);
  if (o == kNoProducer) return std::nullopt;
  const Operator& op = editor.op(o);
  if (op.op != Op::SLICE && op.op != Op::SPLIT && op.op != Op::SPLIT_V) return std::nullopt;
  const int source = op.inputs[op.op == Op::SPLIT ? 1 : 0];
  if (!same_values(editor, source, id)) return std::nullopt;
  const Tensor& x = editor.tensor(source);
  if (op.op == Op::SLICE) {
    const auto begin = constant_integers(editor.subgraph(), op, 1);
    if (!begin || begin->size() != x.shape.size()) return std::nullopt;
    return Block{source, *begin};
  }
  const auto axis = constant_integers(editor.subgraph(), op, op.op == Op::SPLIT ? 0 : 2);
  if (!axis || axis->size() != 1) return std::nullopt;
  const auto dim = static_cast<size_t>(normalized_axis(axis->front(), x.rank()));
  if (is_dynamic(x, dim)) return std::nullopt;
  Block block{source, std::vector<int64_t>(x.shape.size(), 0)};
  for (const int out : op.outputs) {
    if (out == id) return block;
    block.begin[dim] += editor.tensor(out).shape[dim];
  }
  return std::nullopt;
}

std::vector<int> slice_inputs(Editor& editor, const Block& block, int out) {
  const Tensor& result = editor.tensor(out);
  const Shape size = result.shape_signature.empty() ? result.shape : result.shape_signature;  // -1: all the rest.
  const int begin = editor.add_integers("begin", {block.begin.begin(), block.begin.end()});
  return {block.source, begin, editor.add_integers("size", size)};
}

}  // namespace tinyml::tflite
