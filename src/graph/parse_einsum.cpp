#include <algorithm>
#include <cctype>

#include "tinyml/einsum.h"
#include "tinyml/error.h"

namespace tinyml {
namespace {

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

/// Letters that stand once in the operands, those of "..." first, then alphabetically.
std::string implicit_result(const std::vector<std::string>& operands) {
  std::string all, hidden, once;
  for (const std::string& letters : operands) all += letters;
  for (const char letter : all) {
    if (std::isalpha(static_cast<unsigned char>(letter)) == 0) {
      if (hidden.find(letter) == std::string::npos) hidden += letter;
    } else if (std::count(all.begin(), all.end(), letter) == 1) {
      once += letter;
    }
  }
  std::sort(hidden.rbegin(), hidden.rend());
  std::sort(once.begin(), once.end());
  return hidden + once;
}

}  // namespace

EinsumEquation parse_einsum(const std::string& equation, const std::vector<int64_t>& ranks) {
  std::string text;
  for (const char c : equation) {
    if (c != ' ') text += c;
  }
  const size_t arrow = text.find("->");
  EinsumEquation result;
  const std::vector<std::string> terms = split_terms(text.substr(0, arrow));
  if (terms.size() != ranks.size()) throw Error("the equation has another number of operands than the call");
  int64_t most = 0;
  for (size_t i = 0; i < terms.size(); ++i) {
    const bool dots = terms[i].find("...") != std::string::npos;
    const int64_t hidden = dots ? ranks[i] - static_cast<int64_t>(terms[i].size()) + 3 : 0;
    result.operands.push_back(expand(terms[i], hidden));
    if (static_cast<int64_t>(result.operands[i].size()) != ranks[i]) {
      throw Error("a term of the equation has another number of dimensions than its operand");
    }
    most = std::max(most, hidden);
  }
  result.result = arrow == std::string::npos ? implicit_result(result.operands) : expand(text.substr(arrow + 2), most);
  return result;
}

}  // namespace tinyml
