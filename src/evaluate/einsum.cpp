// Einstein summation: operands are brought to one order of all labels, multiplied with broadcasting, and summed over
// the labels that the result does not have.
#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "evaluate/registry.h"
#include "evaluate/rows.h"

namespace tinyml::evaluation {
namespace {

/// Labels of one operand or of the result; dimensions of "..." get labels '0', '1', ... from the last to the first.
std::string expand_labels(const std::string& text, int64_t rank) {
  const size_t dots = text.find("...");
  if (dots == std::string::npos) return text;
  const int64_t hidden = rank - static_cast<int64_t>(text.size()) + 3;
  if (hidden < 0 || hidden > 10) throw Error("einsum: the operand has too few dimensions");
  std::string ellipsis;
  for (int64_t i = hidden; i-- > 0;) ellipsis += static_cast<char>('0' + i);
  return text.substr(0, dots) + ellipsis + text.substr(dots + 3);
}

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

/// Labels that stand once, ellipsis first, then alphabetically.
std::string implicit_result(const std::vector<std::string>& operands) {
  std::string all;
  for (const std::string& labels : operands) all += labels;
  std::string digits;
  std::string letters;
  for (char label : all) {
    if (label >= '0' && label <= '9') {
      if (digits.find(label) == std::string::npos) digits += label;
    } else if (std::count(all.begin(), all.end(), label) == 1) {
      letters += label;
    }
  }
  std::sort(digits.rbegin(), digits.rend());
  std::sort(letters.begin(), letters.end());
  return digits + letters;
}

Tensor einsum(const OperatorCall& call) {
  std::string equation = call.string("equation");
  equation.erase(std::remove(equation.begin(), equation.end(), ' '), equation.end());
  std::vector<Tensor> tensors = call.tensors("tensors");
  const size_t arrow = equation.find("->");
  std::vector<std::string> operands{""};
  for (char c : equation.substr(0, arrow)) {
    if (c == ',') {
      operands.emplace_back();
    } else {
      operands.back() += c;
    }
  }
  if (operands.size() != tensors.size() || tensors.empty()) throw Error("einsum: the equation has other operands");
  int64_t most_hidden = 0;
  for (size_t i = 0; i < tensors.size(); ++i) {
    const std::string written = operands[i];
    operands[i] = expand_labels(written, tensors[i].rank());
    if (written.find("...") != std::string::npos) {
      most_hidden = std::max(most_hidden, static_cast<int64_t>(operands[i].size() - written.size() + 3));
    }
    if (static_cast<int64_t>(operands[i].size()) != tensors[i].rank()) throw Error("einsum: the labels do not fit");
  }
  std::string result = implicit_result(operands);
  if (arrow != std::string::npos) {
    const std::string written = equation.substr(arrow + 2);
    const size_t dots = written.find("...") == std::string::npos ? 0 : 3;
    result = expand_labels(written, static_cast<int64_t>(written.size() - dots) + most_hidden);
  }
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
