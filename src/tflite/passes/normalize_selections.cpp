#include <algorithm>
#include <optional>

#include "tflite/constant_values.h"
#include "tflite/made_like.h"
#include "tflite/operator_traits.h"
#include "tflite/passes/editor.h"
#include "tflite/passes/evaluate_creation.h"
#include "tflite/passes/passes.h"

namespace tinyml::tflite {
namespace {

constexpr int kMostAxes = 5;  // Of the SLICE kernels.

bool is_dynamic(const Tensor& tensor, size_t axis) {
  return !tensor.shape_signature.empty() && tensor.shape_signature[axis] < 0;
}

// Integers may be sizes, which the runtime computes early by STRIDED_SLICE only.
bool may_hold_sizes(const Tensor& tensor) { return tensor.type == Type::INT32 || tensor.type == Type::INT64; }

bool same_values(const Tensor& a, const Tensor& b) {
  return a.type == b.type && a.quantization == b.quantization && !a.quantization.per_channel();
}

// Where a STRIDED_SLICE by steps of 1 begins, by axis; nullopt where SLICE would not do the same at every size.
std::optional<std::vector<int32_t>> begin_of(const Editor& editor, const Operator& op) {
  const auto& options = std::get<StridedSliceOptions>(op.options);
  const auto begin = constant_integers(editor.subgraph(), op, 1);
  const auto end = constant_integers(editor.subgraph(), op, 2);
  const auto steps = constant_integers(editor.subgraph(), op, 3);
  if (!begin || !end || !steps || options.shrink_axis_mask != 0) return std::nullopt;
  if (std::any_of(steps->begin(), steps->end(), [](int64_t step) { return step != 1; })) return std::nullopt;
  const Tensor& x = editor.tensor(op.inputs[0]);
  const auto shape = strided_slice_shape(editor, op);
  if (!shape || *shape != editor.tensor(op.outputs[0]).shape) return std::nullopt;
  std::vector<int32_t> result(x.shape.size(), 0);
  for (size_t axis = 0; axis < begin->size(); ++axis) {
    const bool from_start = (options.begin_mask >> axis & 1) != 0;
    const bool to_end = (options.end_mask >> axis & 1) != 0;
    const int64_t given = from_start ? 0 : (*begin)[axis];
    if (is_dynamic(x, axis) && (given < 0 || !to_end)) return std::nullopt;
    const int64_t size = x.shape[axis];
    result[axis] = static_cast<int32_t>(std::clamp<int64_t>(given < 0 ? given + size : given, 0, size));
  }
  return result;
}

bool straighten(Editor& editor, int o) {
  const Operator& op = editor.op(o);
  const Tensor& x = editor.tensor(op.inputs[0]);
  const Tensor& out = editor.tensor(op.outputs[0]);
  if (x.rank() > kMostAxes || may_hold_sizes(x) || !same_values(x, out) || element_count(out.shape) == 0) return false;
  const auto begin = begin_of(editor, op);
  if (!begin) return false;
  const Shape size = out.shape_signature.empty() ? out.shape : out.shape_signature;  // -1: all the rest.
  const int source = op.inputs[0];
  editor.set_inputs(o, {source, editor.add_integers("begin", *begin), editor.add_integers("size", size)});
  editor.become(o, Op::SLICE, {});
  return true;
}

// A GATHER of indices that follow each other is a SLICE, one of every k-th a STRIDED_SLICE.
bool stretch(Editor& editor, int o) {
  const Operator& op = editor.op(o);
  const auto& options = std::get<GatherOptions>(op.options);
  const Tensor& x = editor.tensor(op.inputs[0]);
  const Tensor& out = editor.tensor(op.outputs[0]);
  if (x.is_constant() || x.rank() > kMostAxes || may_hold_sizes(x) || !same_values(x, out)) return false;
  const auto indices = constant_integers(editor.subgraph(), op, 1);
  if (!indices || indices->empty() || editor.tensor(op.inputs[1]).rank() != 1 || options.batch_dims != 0) return false;
  const auto axis = static_cast<size_t>(normalized_axis(options.axis, x.rank()));
  const int64_t step = indices->size() > 1 ? (*indices)[1] - (*indices)[0] : 1;
  if (step < 1 || indices->front() < 0 || is_dynamic(x, axis) || indices->back() >= x.shape[axis]) return false;
  for (size_t i = 1; i < indices->size(); ++i) {
    if ((*indices)[i] - (*indices)[i - 1] != step) return false;
  }
  std::vector<int32_t> begin(x.shape.size(), 0);
  begin[axis] = static_cast<int32_t>(indices->front());
  const int source = op.inputs[0];
  if (step == 1) {
    const Shape size = out.shape_signature.empty() ? out.shape : out.shape_signature;
    editor.set_inputs(o, {source, editor.add_integers("begin", begin), editor.add_integers("size", size)});
    editor.become(o, Op::SLICE, {});
    return true;
  }
  StridedSliceOptions strided;
  for (size_t i = 0; i < x.shape.size(); ++i) {
    if (i != axis) strided.begin_mask |= 1 << i, strided.end_mask |= 1 << i;
  }
  std::vector<int32_t> end(x.shape.size(), 0);
  std::vector<int32_t> steps(x.shape.size(), 1);
  end[axis] = static_cast<int32_t>(indices->back() + 1);
  steps[axis] = static_cast<int32_t>(step);
  editor.set_inputs(o, {source, editor.add_integers("begin", begin), editor.add_integers("end", end),
                        editor.add_integers("strides", steps)});
  editor.become(o, Op::STRIDED_SLICE, strided);
  return true;
}

// An UNPACK of one, or of which at most half of the results are read.
bool take_few(Editor& editor, int o) {
  const Operator op = editor.op(o);
  const Tensor x = editor.tensor(op.inputs[0]);
  if (x.rank() > kMostAxes || may_hold_sizes(x)) return false;
  const auto axis = static_cast<size_t>(normalized_axis(std::get<UnpackOptions>(op.options).axis, x.rank()));
  std::vector<int32_t> used;
  for (size_t i = 0; i < op.outputs.size(); ++i) {
    const Tensor& out = editor.tensor(op.outputs[i]);
    const auto dynamic = std::count(out.shape_signature.begin(), out.shape_signature.end(), -1);
    if (!same_values(x, out) || dynamic > 1) return false;
    if (!editor.consumers(op.outputs[i]).empty()) used.push_back(static_cast<int32_t>(i));
  }
  const bool few = op.outputs.size() == 1 || 2 * used.size() <= op.outputs.size();
  if (!few || is_dynamic(x, axis)) return false;
  editor.remove(o);
  for (const int32_t i : used) {
    int part = op.inputs[0];
    if (op.outputs.size() > 1) {
      Tensor cut = made_like(x);
      cut.name = editor.tensor(op.outputs[static_cast<size_t>(i)]).name + "_part";
      cut.shape[axis] = 1;
      if (!cut.shape_signature.empty()) cut.shape_signature[axis] = 1;
      std::vector<int32_t> begin(x.shape.size(), 0);
      begin[axis] = i;
      const Shape size = cut.shape_signature.empty() ? cut.shape : cut.shape_signature;
      Operator slice;
      slice.op = Op::SLICE;
      slice.inputs = {part, editor.add_integers("begin", begin), editor.add_integers("size", size)};
      part = editor.add_tensor(std::move(cut));
      slice.outputs = {part};
      editor.add_operator(std::move(slice));
    }
    Operator reshape;
    reshape.op = Op::RESHAPE;
    reshape.options = ReshapeOptions{};
    reshape.inputs = {part};
    reshape.outputs = {op.outputs[static_cast<size_t>(i)]};
    editor.add_operator(std::move(reshape));
  }
  return true;
}

}  // namespace

int normalize_selections(Subgraph& subgraph) {
  Editor editor(subgraph);
  int changes = 0;
  const int count = editor.count();
  for (int o = 0; o < count; ++o) {
    const Operator& op = editor.op(o);
    if (op.channels_first || touches_opaque(subgraph, op) || has_effects(subgraph, op)) continue;
    if (op.op == Op::STRIDED_SLICE) changes += straighten(editor, o) ? 1 : 0;
    if (op.op == Op::GATHER) changes += stretch(editor, o) ? 1 : 0;
    if (op.op == Op::UNPACK) changes += take_few(editor, o) ? 1 : 0;
  }
  editor.finish();
  return changes;
}

}  // namespace tinyml::tflite
