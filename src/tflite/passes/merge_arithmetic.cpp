#include <algorithm>
#include <optional>

#include "tflite/constant_values.h"
#include "tflite/passes/editor.h"
#include "tflite/passes/passes.h"

namespace tinyml::tflite {
namespace {

bool is_float_constant(const Tensor& tensor) { return tensor.is_constant() && tensor.type == Type::FLOAT32; }

// An operator x * c, x / c, x + c or x - c; which input is x.
struct ByConstant {
  int x, constant;
  Op op;
};

std::optional<ByConstant> by_constant(const Editor& editor, int o) {
  const Operator& op = editor.op(o);
  const auto* options = std::get_if<ArithmeticOptions>(&op.options);
  if (options == nullptr || op.inputs.size() != 2 || editor.tensor(op.outputs[0]).type != Type::FLOAT32) {
    return std::nullopt;
  }
  const bool second = is_float_constant(editor.tensor(op.inputs[1]));
  const bool first = is_float_constant(editor.tensor(op.inputs[0]));
  if (first == second || (first && (op.op == Op::SUB || op.op == Op::DIV))) return std::nullopt;
  return ByConstant{op.inputs[first ? 1 : 0], op.inputs[first ? 0 : 1], op.op};
}

bool is_sum(Op op) { return op == Op::ADD || op == Op::SUB; }

// Whether the smaller shape broadcasts into the larger one without making it larger.
std::optional<Shape> one_of_both(const Shape& a, const Shape& b) {
  const Shape& large = a.size() >= b.size() ? a : b;
  const Shape& small = a.size() >= b.size() ? b : a;
  const size_t missing = large.size() - small.size();
  bool inside = true;
  bool around = std::all_of(large.begin(), large.begin() + static_cast<std::ptrdiff_t>(missing),
                            [](int32_t size) { return size == 1; });
  Shape widest = large;
  for (size_t i = 0; i < small.size(); ++i) {
    inside = inside && (small[i] == large[missing + i] || small[i] == 1);
    around = around && (small[i] == large[missing + i] || large[missing + i] == 1);
    widest[missing + i] = std::max(small[i], large[missing + i]);
  }
  if (!inside && !around) return std::nullopt;
  return widest;
}

}  // namespace

int merge_arithmetic(Subgraph& subgraph) {
  Editor editor(subgraph);
  int changes = 0;
  const int count = editor.count();
  for (int o = 0; o < count; ++o) {
    if (!editor.is_live(o)) continue;
    const auto last = by_constant(editor, o);
    if (!last) continue;
    const int before = editor.producer(last->x);
    if (before == kNoProducer || editor.only_consumer(last->x) != o) continue;
    const auto first = by_constant(editor, before);
    if (!first || is_sum(first->op) != is_sum(last->op)) continue;
    if (std::get<ArithmeticOptions>(editor.op(before).options).activation != Activation::NONE) continue;
    const auto shape = one_of_both(editor.tensor(first->constant).shape, editor.tensor(last->constant).shape);
    if (!shape) continue;
    // x - a + b = x + (b - a), x / a * b = x * (b / a), x - a - b = x - (a + b), ... : fold_constants computes it.
    const bool first_inverse = first->op == Op::SUB || first->op == Op::DIV;
    const bool last_inverse = last->op == Op::SUB || last->op == Op::DIV;
    const Op forward = is_sum(first->op) ? Op::ADD : Op::MUL;
    const Op backward = is_sum(first->op) ? Op::SUB : Op::DIV;
    Operator combine;
    combine.op = first_inverse == last_inverse ? forward : backward;
    combine.options = ArithmeticOptions{};
    combine.inputs = first_inverse && !last_inverse ? std::vector<int>{last->constant, first->constant}
                                                    : std::vector<int>{first->constant, last->constant};
    Tensor combined;
    combined.name = editor.tensor(last->constant).name;
    combined.shape = *shape;
    const int constant = editor.add_tensor(std::move(combined));
    combine.outputs = {constant};
    editor.add_operator(std::move(combine));
    const auto options = std::get<ArithmeticOptions>(editor.op(o).options);
    editor.become(o, first_inverse && last_inverse ? backward : forward, options);
    editor.set_inputs(o, {first->x, constant});
    ++changes;
  }
  editor.finish();
  return changes;
}

int merge_reductions(Subgraph& subgraph) {
  Editor editor(subgraph);
  int changes = 0;
  for (int o = 0; o < editor.count(); ++o) {
    const Operator& op = editor.op(o);
    const auto* options = std::get_if<ReducerOptions>(&op.options);
    const bool merges = op.op == Op::MEAN || op.op == Op::SUM || op.op == Op::REDUCE_MAX || op.op == Op::REDUCE_MIN;
    if (options == nullptr || !merges) continue;
    const int before = editor.producer_of_kind(op.inputs[0], op.op);
    if (before == kNoProducer || editor.only_consumer(op.inputs[0]) != o) continue;
    const auto* inner = std::get_if<ReducerOptions>(&editor.op(before).options);
    if (inner == nullptr || editor.tensor(op.inputs[0]).type != Type::FLOAT32) continue;
    if (!inner->keep_dims && options->keep_dims) continue;  // No reduction drops some axes and keeps others.
    const auto outer_axes = constant_integers(subgraph, op, 1);
    const auto inner_axes = constant_integers(subgraph, editor.op(before), 1);
    if (!outer_axes || !inner_axes) continue;
    const int rank = editor.tensor(editor.op(before).inputs[0]).rank();
    std::vector<int32_t> axes;
    for (const int64_t axis : *inner_axes) axes.push_back(normalized_axis(axis, rank));
    std::vector<int32_t> left;  // The axes of what is between the two, as axes of what the first one reads.
    for (int axis = 0; axis < rank; ++axis) {
      if (inner->keep_dims || std::find(axes.begin(), axes.end(), axis) == axes.end()) left.push_back(axis);
    }
    for (const int64_t axis : *outer_axes) {
      axes.push_back(left[static_cast<size_t>(normalized_axis(axis, static_cast<int>(left.size())))]);
    }
    std::sort(axes.begin(), axes.end());
    axes.erase(std::unique(axes.begin(), axes.end()), axes.end());
    // Axes that both reduce have size 1 in between. The first one keeps its axes, so the last one must drop them all.
    Tensor all = editor.tensor(op.inputs[1]);
    all.type = Type::INT32;
    all.shape = {static_cast<int32_t>(axes.size())};
    all.buffer = Buffer::of(axes);
    if (inner->keep_dims && !options->keep_dims && axes.size() != outer_axes->size()) continue;
    const int x = editor.op(before).inputs[0];
    editor.set_inputs(o, {x, editor.add_tensor(std::move(all))});
    ++changes;
  }
  editor.finish();
  return changes;
}

}  // namespace tinyml::tflite
