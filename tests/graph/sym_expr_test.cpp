#include "tinyml/sym_expr.h"

#include <gtest/gtest.h>

#include "tinyml/error.h"

namespace tinyml {
namespace {

constexpr const char* kSymbol = "Symbol('s77', positive=True, integer=True)";

TEST(SymExpr, RoundTripsAndEvaluates) {
  const std::string text = std::string("Add(Mul(Integer(4), ") + kSymbol + "), FloorDiv(" + kSymbol + ", Integer(2)))";
  const auto expression = SymExpr::parse(text);
  EXPECT_EQ(expression->to_srepr(), text);
  EXPECT_EQ(expression->evaluate([](const std::string&) { return int64_t{7}; }), 31);
}

TEST(SymExpr, UnknownFunctionsAreCarried) {
  const std::string text = std::string("CeilToInt(Foo(") + kSymbol + "))";
  const auto expression = SymExpr::parse(text);
  EXPECT_EQ(expression->to_srepr(), text);
  EXPECT_THROW(expression->evaluate([](const std::string&) { return int64_t{1}; }), Error);
}

TEST(SymExpr, MalformedTextIsRefused) {
  for (const char* text :
       {"", "Add(", "Integer(x)", "Symbol(s)", "Mod(Integer(1))", "Integer(1) junk", "Integer(99999999999999999999)"}) {
    EXPECT_THROW(SymExpr::parse(text), Error) << text;
  }
  std::string deep;
  for (int i = 0; i < 10000; ++i) deep += "Add(";
  EXPECT_THROW(SymExpr::parse(deep), Error);
}

TEST(SymExpr, DivisionByZeroIsAnError) {
  EXPECT_THROW(SymExpr::parse("Mod(Integer(1), Integer(0))")->evaluate({}), Error);
}

}  // namespace
}  // namespace tinyml
