// einsum: products of two operands at a time.
#include "lower/math/einsum.h"

#include <algorithm>

#include "lower/registry.h"
#include "tinyml/einsum.h"

namespace tinyml::lowering {
namespace {

EinsumEquation parse(Lowering& at, const std::vector<TensorId>& operands) {
  std::vector<int64_t> ranks;
  for (const TensorId operand : operands) ranks.push_back(at.rank(operand));
  try {
    return parse_einsum(at.node().arg("equation").as_string(), ranks);
  } catch (const Error& error) {
    at.refuse(error.diagnostics()[0].what);
  }
}

// A label that stands twice in one operand means the diagonal: every (n + 1)-th element of the two axes as one.
Labeled take_diagonals(Lowering& at, TensorId x, std::string labels) {
  for (size_t i = 0; i < labels.size(); ++i) {
    const size_t again = labels.find(labels[i], i + 1);
    if (again == std::string::npos) continue;
    Sizes order;
    for (size_t k = 0; k < labels.size(); ++k) {
      if (k != i && k != again) order.push_back(static_cast<int64_t>(k));
    }
    order.push_back(static_cast<int64_t>(i));
    order.push_back(static_cast<int64_t>(again));
    x = at.transpose(x, order);
    Sizes shape = at.shape(x);
    const int64_t size = shape.back();
    shape.pop_back();
    int64_t rest = 1;
    for (size_t k = 0; k + 1 < shape.size(); ++k) rest *= shape[k];
    x = at.strided_slice(at.reshape(x, {rest, size * size}), {0, 0}, {rest, size * size}, {1, size + 1});
    x = at.reshape(x, shape);
    const char label = labels[i];
    labels.erase(again, 1);
    labels.erase(i, 1);
    labels += label;
    i = static_cast<size_t>(-1);  // the axes have moved: look again from the start
  }
  return {x, labels};
}

void lower_einsum(Lowering& at) {
  std::vector<TensorId> inputs = at.inputs("tensors");
  for (TensorId& input : inputs) input = at.cast(input, Type::FLOAT32);
  const EinsumEquation equation = parse(at, inputs);
  std::vector<Labeled> operands;
  for (size_t i = 0; i < inputs.size(); ++i) {
    operands.push_back(take_diagonals(at, inputs[i], equation.operands[i]));
  }
  Labeled product = operands[0];
  for (size_t i = 1; i < operands.size(); ++i) {
    std::string kept = equation.result;
    for (size_t k = i + 1; k < operands.size(); ++k) kept += operands[k].labels;
    product = contract(at, product, operands[i], kept);
  }
  product = sum_out(at, product, equation.result);
  // A label whose only long occurrence was summed away beforehand may be missing: it has one element.
  at.set_output(at.broadcast_to(arrange(at, product, equation.result), at.output_sizes()));
}

}  // namespace

void register_einsum(Registry& registry) { registry.add({"einsum.default"}, lower_einsum); }

}  // namespace tinyml::lowering
