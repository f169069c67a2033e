#include <optional>

#include "tflite/constant_values.h"
#include "tflite/passes/editor.h"
#include "tflite/passes/passes.h"

namespace tinyml::tflite {
namespace {

// indices = {lead, a, b, tail} with a and b swapped.
struct Factors {
  int64_t lead, a, b, tail;
};

std::optional<Factors> factors_of(const std::vector<int64_t>& indices) {
  const auto n = static_cast<int64_t>(indices.size());
  int64_t tail = 1;  // Indices that stay together.
  while (tail < n && indices[static_cast<size_t>(tail)] == indices[0] + tail) ++tail;
  if (tail == n || n % tail != 0 || indices[0] != 0) return std::nullopt;
  const int64_t step = indices[static_cast<size_t>(tail)];  // b * tail
  if (step % tail != 0) return std::nullopt;
  const int64_t b = step / tail;
  if (b < 2) return std::nullopt;
  for (int64_t a = 2; a * b * tail <= n; ++a) {
    if (n % (a * b * tail) != 0) continue;
    bool fits = true;
    for (int64_t i = 0; i < n && fits; ++i) {
      const int64_t t = i % tail;
      const int64_t row = i / tail % a;
      const int64_t column = i / (tail * a) % b;
      const int64_t block = i / (tail * a * b);
      fits = indices[static_cast<size_t>(i)] == ((block * a + row) * b + column) * tail + t;
    }
    if (fits) return Factors{n / (a * b * tail), a, b, tail};
  }
  return std::nullopt;
}

}  // namespace

int expand_shuffles(Subgraph& subgraph) {
  Editor editor(subgraph);
  int changes = 0;
  const int count = editor.count();
  for (int o = 0; o < count; ++o) {
    const Operator op = editor.op(o);
    const auto* options = std::get_if<GatherOptions>(&op.options);
    if (op.op != Op::GATHER || options == nullptr || options->batch_dims != 0) continue;
    const Tensor x = editor.tensor(op.inputs[0]);
    const auto indices = constant_integers(subgraph, op, 1);
    if (!indices || editor.tensor(op.inputs[1]).rank() != 1 || x.quantization.per_channel()) continue;
    const auto axis = static_cast<size_t>(normalized_axis(options->axis, x.rank()));
    const auto factors = factors_of(*indices);
    if (!factors || static_cast<int64_t>(indices->size()) != x.shape[axis]) continue;
    int64_t before = factors->lead;
    int64_t after = factors->tail;
    bool is_static = true;
    for (size_t i = 0; i < x.shape.size(); ++i) {
      is_static = is_static && (x.shape_signature.empty() || x.shape_signature[i] >= 0);
      if (i < axis) before *= x.shape[i];
      if (i > axis) after *= x.shape[i];
    }
    if (!is_static) continue;
    const auto size = [](int64_t value) { return static_cast<int32_t>(value); };
    Tensor split = x;
    split.name = editor.tensor(op.outputs[0]).name + "_split";
    split.buffer = Buffer();
    split.shape_signature.clear();
    split.shape = {size(before), size(factors->a), size(factors->b), size(after)};
    Tensor swapped = split;
    swapped.name = editor.tensor(op.outputs[0]).name + "_swapped";
    std::swap(swapped.shape[1], swapped.shape[2]);
    Tensor permutation;
    permutation.name = "permutation";
    permutation.type = Type::INT32;
    permutation.shape = {4};
    permutation.buffer = Buffer::of(std::vector<int32_t>{0, 2, 1, 3});
    const int apart = editor.add_tensor(std::move(split));
    const int together = editor.add_tensor(std::move(swapped));
    const int order = editor.add_tensor(std::move(permutation));
    editor.remove(o);
    const auto add = [&](Op kind, std::vector<int> inputs, int output) {
      Operator added;
      added.op = kind;
      if (kind == Op::RESHAPE) added.options = ReshapeOptions{};
      added.inputs = std::move(inputs);
      added.outputs = {output};
      editor.add_operator(std::move(added));
    };
    add(Op::RESHAPE, {op.inputs[0]}, apart);
    add(Op::TRANSPOSE, {apart, order}, together);
    add(Op::RESHAPE, {together}, op.outputs[0]);
    ++changes;
  }
  editor.finish();
  return changes;
}

}  // namespace tinyml::tflite
