#include <algorithm>
#include <cstring>
#include <optional>

#include "tflite/constant_values.h"
#include "tflite/operator_traits.h"
#include "tflite/passes/editor.h"
#include "tflite/passes/passes.h"

namespace tinyml::tflite {
namespace {

constexpr int kMostAxes = 4;                // What every runtime's kernels broadcast over.
constexpr int64_t kMostElements = 1 << 20;  // Of a value whose constants are laid out anew.
constexpr int64_t kSmallest = 4;            // A constant may grow to this part of the value that it meets.
constexpr size_t kLongestChain = 32;

bool has_dynamic_sizes(const Tensor& tensor) {
  return std::any_of(tensor.shape_signature.begin(), tensor.shape_signature.end(), [](int32_t n) { return n < 0; });
}

bool is_known_reshape(const Editor& editor, int o) {
  const Operator& op = editor.op(o);
  if (op.op != Op::RESHAPE || touches_opaque(editor.subgraph(), op)) return false;
  return (op.inputs.size() < 2 || constant_integers(editor.subgraph(), op, 1)) &&
         is_reshape_by_output(editor.subgraph(), op);
}

bool takes_constant(Op op) { return is_arithmetic(op) || op == Op::PRELU; }

bool keeps_last_axis(Op op) { return op == Op::SOFTMAX || op == Op::LOG_SOFTMAX || op == Op::L2_NORMALIZATION; }

// The constant behind an operand, itself or in front of a DEQUANTIZE; kNoTensor when there is none.
int constant_behind(const Editor& editor, int id) {
  if (editor.tensor(id).is_constant()) return id;
  const int made_by = editor.producer_of_kind(id, Op::DEQUANTIZE);
  if (made_by == kNoProducer || !editor.tensor(editor.op(made_by).inputs[0]).is_constant()) return kNoTensor;
  return editor.op(made_by).inputs[0];
}

struct Chain {
  int first, last;             ///< The RESHAPEs around it.
  std::vector<int> operators;  ///< In order; each reads the one before by input `slots[i]`.
  std::vector<size_t> slots;
  bool keeps_last = false;  ///< Some operator works along the last axis.
};

std::optional<Chain> find_chain(const Editor& editor, int first) {
  if (!editor.is_live(first) || !is_known_reshape(editor, first)) return std::nullopt;
  Chain chain{first, kNoProducer, {}, {}};
  int value = editor.op(first).outputs[0];
  const Shape shape = editor.tensor(value).shape;
  while (chain.operators.size() <= kLongestChain) {
    if (editor.tensor(value).quantization.per_channel() || editor.tensor(value).is_variable) return std::nullopt;
    const int next = editor.only_consumer(value);
    if (next == kGraphOutput) return std::nullopt;
    const Operator& op = editor.op(next);
    if (op.op == Op::RESHAPE) {
      if (chain.operators.empty() || !is_known_reshape(editor, next)) return std::nullopt;
      chain.last = next;
      return chain;
    }
    if (op.channels_first || op.outputs.size() != 1 || touches_opaque(editor.subgraph(), op)) return std::nullopt;
    size_t slot = 0;
    if (keeps_last_axis(op.op)) {
      chain.keeps_last = true;
    } else if (takes_constant(op.op) && op.inputs.size() == 2) {
      slot = op.inputs[0] == value ? 0 : 1;
      if (constant_behind(editor, op.inputs[1 - slot]) == kNoTensor) return std::nullopt;
    } else if (!is_unary_elementwise(op.op)) {
      return std::nullopt;
    }
    value = op.outputs[0];
    if (editor.tensor(value).shape != shape) return std::nullopt;
    chain.operators.push_back(next);
    chain.slots.push_back(slot);
  }
  return std::nullopt;
}

bool is_dynamic(const Tensor& tensor, size_t axis) {
  return !tensor.shape_signature.empty() && tensor.shape_signature[axis] < 0;
}

// `constant`, which broadcasts to `from`, for the same elements in the shape of `like`, without axes along which it
// stays the same; nullopt when it would become large, or differ along an axis of unknown size.
std::optional<Tensor> in_shape(const Tensor& constant, const Shape& from, const Tensor& like) {
  const Shape& to = like.shape;
  if (element_count(constant.shape) == 1) {
    Tensor result = constant;
    result.shape = Shape(to.size(), 1);
    return result;
  }
  const int bits = bits_of(constant.type);
  if (element_count(from) > kMostElements || bits % 8 != 0 || bits == 0 || constant.quantization.per_channel()) {
    return std::nullopt;
  }
  // Which element of the constant each element of the value meets.
  std::vector<int32_t> source(static_cast<size_t>(element_count(from)), 0);
  int64_t inner = 1, step = 1;
  for (size_t i = 0; i < from.size(); ++i) {
    const size_t axis = from.size() - 1 - i;
    const int32_t own = i < constant.shape.size() ? constant.shape[constant.shape.size() - 1 - i] : 1;
    for (size_t e = 0; own > 1 && e < source.size(); ++e) {
      source[e] += static_cast<int32_t>(static_cast<int64_t>(e) / inner % from[axis] * step);
    }
    inner *= from[axis];
    step *= own;
  }
  Shape shape = to;
  for (size_t axis = 0; axis < to.size(); ++axis) {
    int64_t below = 1;
    for (size_t i = axis + 1; i < shape.size(); ++i) below *= shape[i];
    const auto run = static_cast<size_t>(below), block = run * static_cast<size_t>(shape[axis]);
    bool same = block > 0;
    for (size_t e = 0; same && e < source.size(); ++e) same = source[e] == source[e / block * block + e % run];
    if (!same) continue;
    std::vector<int32_t> kept;
    for (size_t e = 0; e < source.size(); e += block) {
      kept.insert(kept.end(), source.begin() + static_cast<std::ptrdiff_t>(e),
                  source.begin() + static_cast<std::ptrdiff_t>(e + run));
    }
    source = std::move(kept);
    shape[axis] = 1;
  }
  int64_t known = 1;  // Elements for each index of the dynamic axes.
  for (size_t axis = 0; axis < to.size(); ++axis) {
    if (is_dynamic(like, axis) && shape[axis] != 1) return std::nullopt;
    known *= is_dynamic(like, axis) ? 1 : to[axis];
  }
  const auto count = static_cast<int64_t>(source.size());
  if (count > element_count(constant.shape) && count * kSmallest > known) return std::nullopt;
  const auto size = static_cast<size_t>(bits / 8);
  std::vector<std::byte> bytes(source.size() * size);
  for (size_t e = 0; e < source.size(); ++e) {
    std::memcpy(bytes.data() + e * size, constant.buffer.data() + static_cast<size_t>(source[e]) * size, size);
  }
  Tensor result = constant;
  result.shape = std::move(shape);
  result.shape_signature.clear();
  result.buffer = Buffer::of(std::move(bytes));
  return result;
}

// The chain's operators on tensors of `shape`; false, and nothing is changed, where a constant does not allow it.
bool reshape_chain(Editor& editor, const Chain& chain, int like) {
  const Shape from = editor.tensor(editor.op(chain.first).outputs[0]).shape;
  const Tensor model = editor.tensor(like);
  std::vector<std::optional<Tensor>> constants;
  for (size_t i = 0; i < chain.operators.size(); ++i) {
    const Operator& op = editor.op(chain.operators[i]);
    constants.emplace_back();
    if (!takes_constant(op.op)) continue;
    const int id = constant_behind(editor, op.inputs[1 - chain.slots[i]]);
    constants[i] = in_shape(editor.tensor(id), from, model);
    if (!constants[i]) return false;
  }
  for (size_t i = 0; i < chain.operators.size(); ++i) {
    const int o = chain.operators[i];
    if (constants[i]) {
      const size_t slot = 1 - chain.slots[i];
      const int old = editor.op(o).inputs[slot];
      const Shape shape = constants[i]->shape;
      int id = editor.add_tensor(std::move(*constants[i]));
      if (!editor.tensor(old).is_constant()) {
        Tensor real = editor.tensor(old);
        real.shape = shape;
        real.shape_signature.clear();
        Operator dequantize = editor.op(editor.producer(old));
        dequantize.inputs = {id};
        id = editor.add_tensor(std::move(real));
        dequantize.outputs = {id};
        editor.add_operator(std::move(dequantize));
      }
      editor.set_input(o, slot, id);
    }
    Tensor& out = editor.tensor(editor.op(o).outputs[0]);
    out.shape = model.shape;
    out.shape_signature = model.shape_signature;
  }
  return true;
}

bool rewrite(Editor& editor, int first) {
  const auto chain = find_chain(editor, first);
  if (!chain) return false;
  const int x = editor.op(first).inputs[0], y = editor.op(chain->last).outputs[0];
  const int inside = editor.op(first).outputs[0], result = editor.op(chain->operators.back()).outputs[0];
  const Tensor &before = editor.tensor(x), &after = editor.tensor(y);
  const bool same = before.shape == after.shape && before.shape_signature == after.shape_signature;
  if (!same && (has_dynamic_sizes(before) || has_dynamic_sizes(editor.tensor(inside)) || has_dynamic_sizes(after))) {
    return false;
  }
  const auto fits = [&](const Tensor& outer) {
    const Tensor& inner = editor.tensor(inside);
    const bool last_stays = !outer.shape.empty() && !inner.shape.empty() && outer.shape.back() == inner.shape.back();
    return outer.rank() <= std::max(kMostAxes, inner.rank()) && outer.rank() > 0 && (!chain->keeps_last || last_stays);
  };
  if (fits(before) && reshape_chain(editor, *chain, x)) {
    editor.set_input(chain->operators[0], chain->slots[0], x);
    editor.remove(first);
    if (same) {
      editor.remove(chain->last);
      editor.replace_uses(y, result);
    }
    return true;
  }
  if (!fits(after) || !reshape_chain(editor, *chain, y)) return false;
  // The first RESHAPE makes the last one's shape.
  editor.tensor(inside).shape = editor.tensor(y).shape;
  editor.set_inputs(first, {x});
  editor.become(first, Op::RESHAPE, ReshapeOptions{});
  editor.remove(chain->last);
  editor.replace_uses(y, result);
  return true;
}

}  // namespace

int merge_reshape_pairs(Subgraph& subgraph) { return rewrite_each(subgraph, rewrite); }

}  // namespace tinyml::tflite
