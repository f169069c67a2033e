#include "tflite/constant_values.h"
#include "tflite/passes/forms/convolution_view.h"
#include "tflite/passes/forms/forms.h"

namespace tinyml::tflite {
namespace {

constexpr int64_t kLargestBorder = 1 << 20;  // Bytes of constants that the form may add.

// `x` with `size` rows (axis 1) or columns (axis 2) of a constant before or behind it.
int border(Editor& editor, int x, int axis, int32_t before, int32_t after, int8_t value) {
  std::vector<int> parts = {x};
  Shape shape = editor.tensor(x).shape;
  const auto add = [&](int32_t size, bool front) {
    if (size == 0) return;
    Tensor constant = editor.tensor(x);
    constant.name += "_border";
    constant.shape[static_cast<size_t>(axis)] = size;
    constant.buffer = Buffer::of(std::vector<int8_t>(static_cast<size_t>(element_count(constant.shape)), value));
    const int id = editor.add_tensor(std::move(constant));
    parts.insert(front ? parts.begin() : parts.end(), id);
    shape[static_cast<size_t>(axis)] += size;
  };
  add(before, true);
  add(after, false);
  if (parts.size() == 1) return x;
  return add_result(editor, Op::CONCATENATION, parts, ConcatenationOptions{.axis = axis}, x, shape, "_bordered");
}

bool rewrite(Editor& editor, int o) {
  const Operator& pool = editor.op(o);
  const auto* options = std::get_if<Pool2DOptions>(&pool.options);
  if (pool.op != Op::MAX_POOL_2D || options == nullptr || options->padding != Padding::VALID) return false;
  int pad = editor.producer_of_kind(pool.inputs[0], Op::PAD);
  if (pad == kNoProducer) pad = editor.producer_of_kind(pool.inputs[0], Op::PADV2);
  if (pad == kNoProducer || editor.only_consumer(pool.inputs[0]) != o) return false;
  const Operator& padding = editor.op(pad);
  const Tensor& x = editor.tensor(padding.inputs[0]);
  if (x.type != Type::INT8 || x.rank() != 4 || x.quantization.scale.size() != 1 || !is_static(x)) return false;
  int8_t value = static_cast<int8_t>(x.quantization.zero_point[0]);
  if (padding.op == Op::PADV2) {
    const Tensor& constant = editor.tensor(padding.inputs[2]);
    if (!constant.is_constant() || constant.type != Type::INT8) return false;
    value = constant.buffer.as<int8_t>()[0];
  }
  const auto amounts = constant_integers(editor.subgraph(), padding, 1);
  if (!amounts || amounts->size() != 8) return false;
  if ((*amounts)[0] != 0 || (*amounts)[1] != 0 || (*amounts)[6] != 0 || (*amounts)[7] != 0) return false;
  const auto amount = [&](size_t i) { return static_cast<int32_t>((*amounts)[i]); };
  const int64_t row = int64_t{x.shape[0]} * x.shape[2] * x.shape[3];
  const int64_t column = int64_t{x.shape[0]} * (x.shape[1] + amount(2) + amount(3)) * x.shape[3];
  if (row * (amount(2) + amount(3)) + column * (amount(4) + amount(5)) > kLargestBorder) return false;
  const int source = padding.inputs[0];
  const int rows = border(editor, source, 1, amount(2), amount(3), value);
  editor.set_input(o, 0, border(editor, rows, 2, amount(4), amount(5), value));
  return true;
}

}  // namespace

int pad_by_concatenation(Subgraph& subgraph, const FormPolicy& policy) {
  if (!policy.uses(Form::kMaxPool, true)) return 0;
  return rewrite_each(subgraph, rewrite);
}

}  // namespace tinyml::tflite
