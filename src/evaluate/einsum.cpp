// Einstein summation: operands are brought to one order of all labels, multiplied with broadcasting, and summed over
// the labels that the result does not have.
#include "tinyml/einsum.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "evaluate/registry.h"
#include "evaluate/rows.h"

namespace tinyml::evaluation {
namespace {

/// A label that stands twice means the diagonal.
void take_diagonals(Tensor& tensor, std::string& labels) {
  for (size_t i = 0; i < labels.size(); ++i) {
    const size_t again = labels.find(labels[i], i + 1);
    if (again == std::string::npos) continue;
    if (tensor.shape()[i] != tensor.shape()[again]) throw Error("einsum: a repeated label has two sizes");
    Sizes shape = tensor.shape();
    Sizes strides = tensor.strides();
    strides[i] += strides[again];
    shape.erase(shape.begin() + static_cast<std::ptrdiff_t>(again));
    strides.erase(strides.begin() + static_cast<std::ptrdiff_t>(again));
    tensor = Tensor(tensor.type(), shape, strides, tensor.offset(), tensor.storage());
    labels.erase(again, 1);
    --i;
  }
}

/// The tensor with its dimensions in the order of `all`, size 1 for labels it does not have.
Tensor arrange(const Tensor& tensor, const std::string& labels, const std::string& all) {
  Sizes order;
  for (char label : all) {
    const size_t at = labels.find(label);
    if (at != std::string::npos) order.push_back(static_cast<int64_t>(at));
  }
  Tensor result = tensor.permuted(order);
  for (size_t i = 0; i < all.size(); ++i) {
    if (labels.find(all[i]) == std::string::npos) result = unsqueeze(result, static_cast<int64_t>(i));
  }
  return result;
}

Tensor einsum(const OperatorCall& call) {
  std::vector<Tensor> tensors = call.tensors("tensors");
  std::vector<int64_t> ranks;
  for (const Tensor& tensor : tensors) ranks.push_back(tensor.rank());
  EinsumEquation equation = parse_einsum(call.string("equation"), ranks);
  std::vector<std::string>& operands = equation.operands;
  const std::string& result = equation.result;
  for (size_t i = 0; i < tensors.size(); ++i) take_diagonals(tensors[i], operands[i]);
  std::string all = result;
  for (const std::string& labels : operands) {
    for (char label : labels) {
      if (all.find(label) == std::string::npos) all += label;
    }
  }
  return dispatch_compute(tensors[0].type(),
                          [&](auto zero) {
                            using T = decltype(zero);
                            constexpr ScalarType kCompute = scalar_type_of<T>();
                            Tensor total = arrange(tensors[0].to(kCompute), operands[0], all);
                            for (size_t i = 1; i < tensors.size(); ++i) {
                              total = map_elements<T, T>(total, arrange(tensors[i].to(kCompute), operands[i], all),
                                                         [](T x, T y) -> T { return x * y; });
                            }
                            if (all.size() == result.size()) return total;
                            Sizes summed;
                            for (size_t i = result.size(); i < all.size(); ++i)
                              summed.push_back(static_cast<int64_t>(i));
                            return reduce_rows<T, T>(
                                gather_rows(total, summed, false), [](const T* values, int64_t count) {
                                  std::conditional_t<std::is_floating_point_v<T>, double, int64_t> sum = 0;
                                  for (int64_t i = 0; i < count; ++i) sum += values[i];
                                  return static_cast<T>(sum);
                                });
                          })
      .to(tensors[0].type());
}

constexpr OperatorEntry kOperators[] = {
    {"aten.einsum.default", einsum},
};

}  // namespace

std::span<const OperatorEntry> einsum_operators() { return kOperators; }

}  // namespace tinyml::evaluation
