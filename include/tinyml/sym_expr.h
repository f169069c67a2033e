#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace tinyml {

/// A symbolic integer expression, immutable and shared; what torch.export writes for dynamic sizes.
class SymExpr {
 public:
  enum class Kind { kSymbol, kInteger, kAdd, kMul, kPow, kFloorDiv, kMod, kMax, kMin, kOpaque };

  /// Parses sympy's srepr ("Symbol('s77', positive=True, integer=True)"). What is not understood is kept as kOpaque and
  /// written back unchanged. Throws Error for text that is not well formed or nests deeper than 64.
  static std::shared_ptr<const SymExpr> parse(std::string_view srepr);

  Kind kind() const { return kind_; }
  const std::string& name() const { return name_; }  ///< kSymbol: the symbol's name.
  int64_t integer() const { return integer_; }       ///< kInteger.
  const std::vector<std::shared_ptr<const SymExpr>>& operands() const { return operands_; }

  std::string to_srepr() const;   ///< For the archive.
  std::string to_string() const;  ///< For people: "s77*4 + 1".
  /// Value for given symbols. Throws Error for an opaque expression, overflow or division by zero.
  int64_t evaluate(const std::function<int64_t(const std::string&)>& symbol) const;

 private:
  friend class SymExprParser;
  Kind kind_ = Kind::kOpaque;
  std::string name_;
  std::string text_;  ///< kSymbol and kOpaque: as read, assumptions included.
  int64_t integer_ = 0;
  std::vector<std::shared_ptr<const SymExpr>> operands_;
};

/// One size of a shape: a number, or an expression with the value it had when the model was captured.
class Dim {
 public:
  Dim() = default;
  Dim(int64_t size) : hint_(size) {}  // NOLINT(google-explicit-constructor): a size is a Dim.
  Dim(std::shared_ptr<const SymExpr> expression, int64_t hint) : hint_(hint), expression_(std::move(expression)) {}

  bool is_static() const { return expression_ == nullptr; }
  /// The size, or for a symbolic one its value at capture.
  int64_t hint() const { return hint_; }
  const std::shared_ptr<const SymExpr>& expression() const { return expression_; }
  std::string to_string() const { return expression_ ? expression_->to_string() : std::to_string(hint_); }
  friend bool operator==(const Dim& a, const Dim& b) {
    if (a.is_static() != b.is_static() || a.hint_ != b.hint_) return false;
    return a.is_static() || a.expression_ == b.expression_ || a.expression_->to_srepr() == b.expression_->to_srepr();
  }

 private:
  int64_t hint_ = 0;
  std::shared_ptr<const SymExpr> expression_;
};

using Shape = std::vector<Dim>;

}  // namespace tinyml
