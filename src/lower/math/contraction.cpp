#include <algorithm>

#include "lower/math/einsum.h"
#include "lower/math/matmul.h"
#include "lower/nn/weights.h"

namespace tinyml::lowering {
namespace {

bool has_label(const std::string& labels, char label) { return labels.find(label) != std::string::npos; }

// The labels of a pair of operands by their part in the product.
struct Roles {
  std::string batch, summed, left, right;

  Roles(const std::string& a, const std::string& b, const std::string& kept) {
    for (const char label : a) {
      (!has_label(b, label) ? left : has_label(kept, label) ? batch : summed) += label;
    }
    for (const char label : b) {
      if (!has_label(a, label)) right += label;
    }
  }
};

int64_t count(Lowering& at, const Labeled& operand, const std::string& labels) {
  int64_t result = 1;
  for (const char label : labels) result *= at.shape(operand.x)[operand.labels.find(label)];
  return result;
}

// A dimension of one element against a longer one of the same label stands for all of it.
Labeled drop_broadcast(Lowering& at, const Labeled& operand, const Labeled& other) {
  Labeled result{operand.x, ""};
  Sizes shape;
  for (size_t i = 0; i < operand.labels.size(); ++i) {
    const size_t k = other.labels.find(operand.labels[i]);
    const int64_t size = at.shape(operand.x)[i];
    if (k != std::string::npos && size == 1 && at.shape(other.x)[k] > 1) continue;
    result.labels += operand.labels[i];
    shape.push_back(size);
  }
  result.x = at.reshape(operand.x, shape);
  return result;
}

// The product of elements, over all the labels there are.
Labeled multiply(Lowering& at, const Labeled& a, const Labeled& b, const Roles& roles) {
  const std::string all = roles.batch + roles.left + roles.right + roles.summed;
  if (!roles.left.empty() && !roles.right.empty()) {  // an outer product: three dimensions whatever their number
    const int64_t batch = count(at, a, roles.batch);
    const TensorId column = at.reshape(arrange(at, a, roles.batch + roles.left), {batch, count(at, a, roles.left), 1});
    const TensorId row = at.reshape(arrange(at, b, roles.batch + roles.right), {batch, 1, count(at, b, roles.right)});
    Sizes shape;
    for (const char label : all) {
      const Labeled& owner = has_label(a.labels, label) ? a : b;
      shape.push_back(at.shape(owner.x)[owner.labels.find(label)]);
    }
    return {at.reshape(at.binary(Op::MUL, column, row), shape), all};
  }
  return {at.binary(Op::MUL, arrange(at, a, all), arrange(at, b, all)), all};
}

}  // namespace

// Constants are rearranged at once, so that a product sees a constant matrix.
TensorId arrange(Lowering& at, const Labeled& operand, const std::string& labels) {
  Sizes order;
  Sizes shape;
  for (const char label : labels) {
    const size_t i = operand.labels.find(label);
    if (i != std::string::npos) order.push_back(static_cast<int64_t>(i));
    shape.push_back(i == std::string::npos ? 1 : at.shape(operand.x)[i]);
  }
  TINYML_CHECK(order.size() == operand.labels.size());
  if (at.tensor(operand.x).is_constant()) {
    return change_weights(at, operand.x,
                          [&](const Tensor& data) { return data.permuted(order).contiguous().reshaped(shape); });
  }
  return at.reshape(at.transpose(operand.x, order), shape);
}

Labeled sum_out(Lowering& at, const Labeled& operand, const std::string& kept) {
  Sizes axes;
  Labeled result{operand.x, ""};
  for (size_t i = 0; i < operand.labels.size(); ++i) {
    if (has_label(kept, operand.labels[i])) {
      result.labels += operand.labels[i];
    } else {
      axes.push_back(static_cast<int64_t>(i));
    }
  }
  result.x = at.reduce(Op::SUM, operand.x, axes, false);
  return result;
}

Labeled contract(Lowering& at, Labeled a, Labeled b, const std::string& kept) {
  const Labeled whole = a;
  a = drop_broadcast(at, a, b);
  b = drop_broadcast(at, b, whole);
  a = sum_out(at, a, kept + b.labels);
  b = sum_out(at, b, kept + a.labels);
  if (at.tensor(a.x).is_constant() && !at.tensor(b.x).is_constant()) std::swap(a, b);
  const Roles roles(a.labels, b.labels, kept);
  if (roles.summed.empty()) return multiply(at, a, b, roles);
  if (roles.left.empty() && roles.right.empty()) return sum_out(at, multiply(at, a, b, roles), kept);
  const int64_t batch = count(at, a, roles.batch);
  const int64_t summed = count(at, a, roles.summed);
  Sizes rows = {batch, count(at, a, roles.left), summed};
  Sizes columns = {batch, summed, count(at, b, roles.right)};
  if (roles.batch.empty()) {
    rows.erase(rows.begin());
    columns.erase(columns.begin());
  }
  const TensorId left = reshape_weights(at, arrange(at, a, roles.batch + roles.left + roles.summed), rows);
  const TensorId right = reshape_weights(at, arrange(at, b, roles.batch + roles.summed + roles.right), columns);
  const TensorId product = matmul(at, left, right);
  Labeled result{product, roles.batch + roles.left + roles.right};
  Sizes shape;
  for (const char label : result.labels) {
    const Labeled& owner = has_label(a.labels, label) ? a : b;
    shape.push_back(at.shape(owner.x)[owner.labels.find(label)]);
  }
  result.x = at.reshape(product, shape);
  return result;
}

}  // namespace tinyml::lowering
