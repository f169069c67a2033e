#include "tflite/dynamic/infer_dynamic_shape.h"

#include <algorithm>

#include "tflite/constant_values.h"
#include "tflite/passes/evaluate_creation.h"
#include "tflite/verify/infer_shape.h"

namespace tinyml::tflite {
namespace {

using Result = std::optional<Shape>;

int32_t to_size(int64_t size) {
  if (size < 0 || size > INT32_MAX) throw Error("a size would be " + std::to_string(size));
  return static_cast<int32_t>(size);
}

Shape to_shape(const std::vector<int64_t>& sizes) {
  Shape shape;
  for (const int64_t size : sizes) shape.push_back(to_size(size));
  return shape;
}

// -1 is what the others leave; nullopt when there are several of them.
Result fill_in(std::vector<int64_t> sizes, int64_t elements) {
  int64_t known = 1;
  for (const int64_t size : sizes) known *= size < 0 ? 1 : size;
  const auto unknown = std::count_if(sizes.begin(), sizes.end(), [](int64_t size) { return size < 0; });
  if (unknown > 1) return std::nullopt;
  if (unknown == 0 ? known != elements : known == 0 || elements % known != 0) {
    throw Error("the number of elements changes");
  }
  for (int64_t& size : sizes) size = size < 0 ? elements / known : size;
  return to_shape(sizes);
}

// The shape comes from the operand, else from the options, else from what the file says of the result.
Result reshape(const Editor& editor, const Operator& op) {
  const int64_t elements = element_count(editor.tensor(op.inputs[0]).shape);
  const Tensor& out = editor.tensor(op.outputs[0]);
  const bool has_operand = op.inputs.size() > 1 && op.inputs[1] != kNoTensor;
  if (has_operand) {
    if (const auto sizes = constant_integers(editor.subgraph(), op, 1)) return fill_in(*sizes, elements);
  } else if (const auto& sizes = std::get<ReshapeOptions>(op.options).new_shape; !sizes.empty()) {
    return fill_in({sizes.begin(), sizes.end()}, elements);
  }
  const Shape& said = out.shape_signature.empty() ? out.shape : out.shape_signature;
  return fill_in({said.begin(), said.end()}, elements);
}

Result squeeze(const Editor& editor, const Operator& op) {
  const Shape& x = editor.tensor(op.inputs[0]).shape;
  std::vector<bool> goes(x.size(), false);
  const auto& dims = std::get<SqueezeOptions>(op.options).squeeze_dims;
  for (const int32_t dim : dims) goes[static_cast<size_t>(normalized_axis(dim, static_cast<int>(x.size())))] = true;
  Shape out;
  for (size_t i = 0; i < x.size(); ++i) {
    if (goes[i] && x[i] != 1) throw Error("an axis that goes is not of size 1");
    if (!goes[i] && (x[i] != 1 || !dims.empty())) out.push_back(x[i]);
  }
  return out;
}

Result expand_dims(const Editor& editor, const Operator& op) {
  Shape out = editor.tensor(op.inputs[0]).shape;
  const auto axis = constant_integers(editor.subgraph(), op, 1);
  if (!axis || axis->size() != 1) return std::nullopt;
  out.insert(out.begin() + normalized_axis(axis->front(), static_cast<int>(out.size()) + 1), 1);
  return out;
}

Result said_by(const Editor& editor, const Operator& op, size_t slot) {
  const auto sizes = constant_integers(editor.subgraph(), op, slot);
  return sizes ? Result(to_shape(*sizes)) : std::nullopt;
}

Result tile(const Editor& editor, const Operator& op) {
  Shape out = editor.tensor(op.inputs[0]).shape;
  const auto copies = constant_integers(editor.subgraph(), op, 1);
  if (!copies) return std::nullopt;
  if (copies->size() != out.size()) throw Error("there is not one number of copies for each axis");
  for (size_t i = 0; i < out.size(); ++i) out[i] = to_size(out[i] * (*copies)[i]);
  return out;
}

Result range(const Editor& editor, const Operator& op) {
  std::vector<int64_t> values;
  for (size_t slot = 0; slot < op.inputs.size(); ++slot) {
    const auto value = constant_integers(editor.subgraph(), op, slot);
    if (!value || value->size() != 1) return std::nullopt;
    values.push_back(value->front());
  }
  if (values.size() != 3 || values[2] == 0) return std::nullopt;
  const int64_t distance = values[2] > 0 ? values[1] - values[0] : values[0] - values[1];
  const int64_t step = std::abs(values[2]);
  return Shape{to_size(std::max<int64_t>(0, (distance + step - 1) / step))};
}

Result select(const Editor& editor, const Operator& op) {
  const Shape& x = editor.tensor(op.inputs[1]).shape;
  if (op.op == Op::SELECT) return x;
  return broadcast_shapes(editor.tensor(op.inputs[0]).shape, broadcast_shapes(x, editor.tensor(op.inputs[2]).shape));
}

Result without_axis(const Editor& editor, const Operator& op) {
  Shape out = editor.tensor(op.inputs[0]).shape;
  const auto axis = constant_integers(editor.subgraph(), op, 1);
  if (!axis || axis->size() != 1) return std::nullopt;
  out.erase(out.begin() + normalized_axis(axis->front(), static_cast<int>(out.size())));
  return out;
}

Result one_hot(const Editor& editor, const Operator& op) {
  Shape out = editor.tensor(op.inputs[0]).shape;
  const auto depth = constant_integers(editor.subgraph(), op, 1);
  if (!depth || depth->size() != 1) return std::nullopt;
  const int32_t axis = std::get<OneHotOptions>(op.options).axis;
  out.insert(out.begin() + normalized_axis(axis, static_cast<int>(out.size()) + 1), to_size(depth->front()));
  return out;
}

struct Rule {
  Op op;
  size_t inputs;  // At least.
  Result (*shape)(const Editor&, const Operator&);
};

constexpr Rule kRules[] = {
    {Op::RESHAPE, 1, reshape},
    {Op::SQUEEZE, 1, squeeze},
    {Op::EXPAND_DIMS, 2, expand_dims},
    {Op::TILE, 2, tile},
    {Op::RANGE, 3, range},
    {Op::SELECT, 3, select},
    {Op::SELECT_V2, 3, select},
    {Op::ARG_MAX, 2, without_axis},
    {Op::ARG_MIN, 2, without_axis},
    {Op::ONE_HOT, 4, one_hot},
    {Op::STRIDED_SLICE, 4, strided_slice_shape},
    {Op::BROADCAST_TO, 2, [](const Editor& e, const Operator& op) { return said_by(e, op, 1); }},
    {Op::FILL, 2, [](const Editor& e, const Operator& op) { return said_by(e, op, 0); }},
    {Op::RANK, 1, [](const Editor&, const Operator&) { return Result(Shape{}); }},
    {Op::SHAPE, 1, [](const Editor& e, const Operator& op) { return Result(Shape{e.tensor(op.inputs[0]).rank()}); }},
};

}  // namespace

std::optional<std::vector<Shape>> infer_dynamic_shapes(const Editor& editor, const Checker& checker,
                                                       const Operator& op) {
  for (const Rule& rule : kRules) {
    if (rule.op != op.op) continue;
    const bool complete = op.inputs.size() >= rule.inputs && op.outputs.size() == 1 &&
                          std::count(op.inputs.begin(), op.inputs.end(), kNoTensor) == 0;
    if (!complete) return std::nullopt;
    const Result shape = rule.shape(editor, op);
    return shape ? std::optional(std::vector<Shape>{*shape}) : std::nullopt;
  }
  return infer_shapes(checker, op);
}

}  // namespace tinyml::tflite
