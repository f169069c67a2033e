// einsum: products of two operands at a time.
#include "lower/math/einsum.h"

#include <algorithm>
#include <cctype>

#include "lower/registry.h"

namespace tinyml::lowering {
namespace {

// The equation with a letter for every dimension: those of "..." are named by control characters, the last one first,
// so that operands with fewer of them line up at the end.
struct Equation {
  std::vector<std::string> operands;
  std::string result;
};

std::string expand(const std::string& term, int64_t hidden) {
  const size_t dots = term.find("...");
  if (dots == std::string::npos) return term;
  std::string names;
  for (int64_t i = hidden; i > 0; --i) names += static_cast<char>(i);
  return term.substr(0, dots) + names + term.substr(dots + 3);
}

std::vector<std::string> split_terms(const std::string& text) {
  std::vector<std::string> terms(1);
  for (const char c : text) {
    if (c == ',') {
      terms.emplace_back();
    } else {
      terms.back() += c;
    }
  }
  return terms;
}

// Labels that stand once in the operands, those of "..." first, then alphabetically.
std::string implicit_result(const std::vector<std::string>& operands) {
  std::string all;
  for (const std::string& labels : operands) all += labels;
  std::string hidden;
  std::string once;
  for (const char label : all) {
    if (std::isalpha(static_cast<unsigned char>(label)) == 0) {
      if (hidden.find(label) == std::string::npos) hidden += label;
    } else if (std::count(all.begin(), all.end(), label) == 1) {
      once += label;
    }
  }
  std::sort(hidden.rbegin(), hidden.rend());
  std::sort(once.begin(), once.end());
  return hidden + once;
}

Equation parse(Lowering& at, const std::vector<TensorId>& operands) {
  std::string text;
  for (const char c : at.node().arg("equation").as_string()) {
    if (c != ' ') text += c;
  }
  const size_t arrow = text.find("->");
  Equation equation;
  const std::vector<std::string> terms = split_terms(text.substr(0, arrow));
  if (terms.size() != operands.size()) at.refuse("the equation has another number of operands than the call");
  int64_t most = 0;
  for (size_t i = 0; i < terms.size(); ++i) {
    const bool dots = terms[i].find("...") != std::string::npos;
    const int64_t hidden = dots ? at.rank(operands[i]) - static_cast<int64_t>(terms[i].size()) + 3 : 0;
    equation.operands.push_back(expand(terms[i], hidden));
    if (static_cast<int64_t>(equation.operands[i].size()) != at.rank(operands[i])) {
      at.refuse("a term of the equation has another number of dimensions than its operand");
    }
    most = std::max(most, hidden);
  }
  equation.result =
      arrow == std::string::npos ? implicit_result(equation.operands) : expand(text.substr(arrow + 2), most);
  return equation;
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
  const Equation equation = parse(at, inputs);
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
