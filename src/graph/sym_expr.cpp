#include "tinyml/sym_expr.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <utility>

#include "tinyml/error.h"

namespace tinyml {
namespace {

using Kind = SymExpr::Kind;
constexpr int kMaxDepth = 64;

struct Function {
  std::string_view name;
  Kind kind;
};
constexpr std::array<Function, 7> kFunctions{{{"Add", Kind::kAdd},
                                              {"Mul", Kind::kMul},
                                              {"Pow", Kind::kPow},
                                              {"FloorDiv", Kind::kFloorDiv},
                                              {"Mod", Kind::kMod},
                                              {"Max", Kind::kMax},
                                              {"Min", Kind::kMin}}};

std::string_view function_name(Kind kind) {
  for (const Function& function : kFunctions) {
    if (function.kind == kind) return function.name;
  }
  return "";
}

/// `value` by reference: it is written by the expression that computes `overflow`, in unspecified order.
int64_t checked(bool overflow, const int64_t& value) {
  if (overflow) throw Error("a symbolic size overflows 64 bits");
  return value;
}

int64_t floor_divide(int64_t a, int64_t b) {
  if (b == 0) throw Error("a symbolic size divides by zero");
  if (b == -1) {
    int64_t negated = 0;
    return checked(__builtin_sub_overflow(int64_t{0}, a, &negated), negated);
  }
  const int64_t quotient = a / b;
  return (a % b != 0 && (a < 0) != (b < 0)) ? quotient - 1 : quotient;
}

int64_t apply(Kind kind, int64_t a, int64_t b) {
  int64_t result = 0;
  switch (kind) {
    case Kind::kAdd:
      return checked(__builtin_add_overflow(a, b, &result), result);
    case Kind::kMul:
      return checked(__builtin_mul_overflow(a, b, &result), result);
    case Kind::kFloorDiv:
      return floor_divide(a, b);
    case Kind::kMod:
      return a - floor_divide(a, b) * b;
    case Kind::kMax:
      return std::max(a, b);
    case Kind::kMin:
      return std::min(a, b);
    case Kind::kPow: {
      if (b < 0 || b > 64) throw Error(fmt::format("a symbolic size has the exponent {}", b));
      result = 1;
      for (int64_t i = 0; i < b; ++i) checked(__builtin_mul_overflow(result, a, &result), result);
      return result;
    }
    default:
      break;
  }
  throw Error("a symbolic size cannot be evaluated");
}

}  // namespace

/// Recursive descent over srepr text.
class SymExprParser {
 public:
  explicit SymExprParser(std::string_view text) : text_(text) {}

  std::shared_ptr<const SymExpr> parse() {
    auto expression = parse_expression(0);
    skip_spaces();
    if (position_ != text_.size()) fail();
    return expression;
  }

 private:
  [[noreturn]] void fail() const {
    throw Error(fmt::format("malformed symbolic size '{}'", text_.substr(0, 200)), "save the archive again with torch");
  }
  void skip_spaces() {
    while (position_ < text_.size() && text_[position_] == ' ') ++position_;
  }
  bool accept(char c) {
    skip_spaces();
    if (position_ >= text_.size() || text_[position_] != c) return false;
    ++position_;
    return true;
  }
  std::string_view identifier() {
    skip_spaces();
    const size_t start = position_;
    while (position_ < text_.size() &&
           (std::isalnum(static_cast<unsigned char>(text_[position_])) != 0 || text_[position_] == '_')) {
      ++position_;
    }
    if (position_ == start) fail();
    return text_.substr(start, position_ - start);
  }
  int64_t integer() {
    skip_spaces();
    int64_t value = 0;
    const auto [end, error] = std::from_chars(text_.data() + position_, text_.data() + text_.size(), value);
    if (error != std::errc()) fail();
    position_ = static_cast<size_t>(end - text_.data());
    return value;
  }
  /// Skips to just behind the parenthesis that closes the one already opened.
  void skip_arguments() {
    int depth = 1;
    while (position_ < text_.size() && depth > 0) {
      depth += text_[position_] == '(' ? 1 : (text_[position_] == ')' ? -1 : 0);
      ++position_;
    }
    if (depth != 0) fail();
  }

  std::shared_ptr<const SymExpr> parse_expression(int depth) {
    if (depth > kMaxDepth) fail();
    skip_spaces();
    const size_t start = position_;
    auto expression = std::make_shared<SymExpr>();
    const std::string_view name = identifier();
    if (!accept('(')) fail();
    if (name == "Symbol") {
      if (!accept('\'')) fail();
      const size_t end = text_.find('\'', position_);
      if (end == std::string_view::npos) fail();
      expression->kind_ = Kind::kSymbol;
      expression->name_ = std::string(text_.substr(position_, end - position_));
      position_ = end + 1;
      skip_arguments();
      expression->text_ = std::string(text_.substr(start, position_ - start));
      return expression;
    }
    if (name == "Integer") {
      expression->kind_ = Kind::kInteger;
      expression->integer_ = integer();
      if (!accept(')')) fail();
      return expression;
    }
    const auto function = std::find_if(kFunctions.begin(), kFunctions.end(),
                                       [&](const Function& candidate) { return candidate.name == name; });
    if (function == kFunctions.end()) {
      skip_arguments();
      expression->text_ = std::string(text_.substr(start, position_ - start));
      return expression;
    }
    expression->kind_ = function->kind;
    do {
      expression->operands_.push_back(parse_expression(depth + 1));
    } while (accept(','));
    if (!accept(')')) fail();
    const bool binary =
        function->kind == Kind::kPow || function->kind == Kind::kFloorDiv || function->kind == Kind::kMod;
    if (binary && expression->operands_.size() != 2) fail();
    return expression;
  }

  std::string_view text_;
  size_t position_ = 0;
};

std::shared_ptr<const SymExpr> SymExpr::parse(std::string_view srepr) { return SymExprParser(srepr).parse(); }

std::string SymExpr::to_srepr() const {
  if (kind_ == Kind::kSymbol || kind_ == Kind::kOpaque) return text_;
  if (kind_ == Kind::kInteger) return fmt::format("Integer({})", integer_);
  std::string text(function_name(kind_));
  text += '(';
  for (size_t i = 0; i < operands_.size(); ++i) text += (i == 0 ? "" : ", ") + operands_[i]->to_srepr();
  return text + ")";
}

std::string SymExpr::to_string() const {
  if (kind_ == Kind::kSymbol) return name_;
  if (kind_ == Kind::kOpaque) return text_;
  if (kind_ == Kind::kInteger) return std::to_string(integer_);
  const bool infix = kind_ == Kind::kAdd || kind_ == Kind::kMul || kind_ == Kind::kPow || kind_ == Kind::kFloorDiv ||
                     kind_ == Kind::kMod;
  const std::string_view separator = kind_ == Kind::kAdd        ? " + "
                                     : kind_ == Kind::kMul      ? "*"
                                     : kind_ == Kind::kPow      ? "**"
                                     : kind_ == Kind::kFloorDiv ? "//"
                                     : kind_ == Kind::kMod      ? " % "
                                                                : ", ";
  std::string text;
  for (size_t i = 0; i < operands_.size(); ++i) {
    if (i > 0) text += separator;
    const bool simple = operands_[i]->kind_ == Kind::kSymbol || operands_[i]->kind_ == Kind::kInteger;
    text += simple || !infix ? operands_[i]->to_string() : "(" + operands_[i]->to_string() + ")";
  }
  return infix ? text : fmt::format("{}({})", function_name(kind_), text);
}

int64_t SymExpr::evaluate(const std::function<int64_t(const std::string&)>& symbol) const {
  if (kind_ == Kind::kSymbol) return symbol(name_);
  if (kind_ == Kind::kInteger) return integer_;
  if (kind_ == Kind::kOpaque) throw Error(fmt::format("the symbolic size '{}' cannot be evaluated", text_));
  int64_t value = operands_[0]->evaluate(symbol);
  for (size_t i = 1; i < operands_.size(); ++i) value = apply(kind_, value, operands_[i]->evaluate(symbol));
  return value;
}

}  // namespace tinyml
