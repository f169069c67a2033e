#include "codegen/python_text.h"

#include <gtest/gtest.h>

#include <cmath>

namespace tinyml::codegen {
namespace {

TEST(FloatLiteral, IsWhatPythonPrints) {
  EXPECT_EQ(float_literal(0.1), "0.1");
  EXPECT_EQ(float_literal(2), "2.0");
  EXPECT_EQ(float_literal(-0.0), "-0.0");
  EXPECT_EQ(float_literal(1e-05), "1e-05");
  EXPECT_EQ(float_literal(0.0001), "0.0001");
  EXPECT_EQ(float_literal(1e16), "1e+16");
  EXPECT_EQ(float_literal(123456.75), "123456.75");
  EXPECT_EQ(float_literal(-INFINITY), "float(\"-inf\")");
}

TEST(Identifier, KnowsKeywordsAndIndices) {
  EXPECT_TRUE(is_identifier("conv_1"));
  EXPECT_FALSE(is_identifier("1conv"));
  EXPECT_FALSE(is_identifier("lambda"));
  EXPECT_EQ(to_identifier("a-b"), "a_b");
  EXPECT_EQ(to_identifier("0"), "_0");
  EXPECT_EQ(to_identifier("class"), "class_");
  EXPECT_TRUE(is_index("12"));
  EXPECT_FALSE(is_index("012"));
  EXPECT_FALSE(is_index(""));
}

TEST(SnakeCase, SplitsAtCapitals) {
  EXPECT_EQ(to_snake_case("BasicBlock"), "basic_block");
  EXPECT_EQ(to_snake_case("MBConv"), "mb_conv");
  EXPECT_EQ(to_snake_case("relu"), "relu");
}

TEST(ArgumentText, PrintsNestedArguments) {
  const ValueText names = [](ValueId id) { return "v" + std::to_string(index_of(id)); };
  const Argument list(
      Argument::List{Argument(ValueId{3}), Argument(), Argument(Argument::List{Argument(1), Argument(2)})});
  EXPECT_EQ(argument_text(list, names), "[v3, None, (1, 2)]");
  EXPECT_EQ(argument_text(Argument::ints({7}), names), "(7,)");
  EXPECT_EQ(argument_text(Argument(ScalarType::kBFloat16), names), "torch.bfloat16");
  EXPECT_EQ(argument_text(Argument("a\"b"), names), "\"a\\\"b\"");
}

TEST(AppendLine, BreaksLongCallsInTheirLastBracket) {
  std::string out;
  append_line(out, 4, "x = short(1)");
  EXPECT_EQ(out, "    x = short(1)\n");
  out.clear();
  const std::string argument(40, 'a');
  append_line(out, 0, "x = self.f(\"(\")(" + argument + ", " + argument + ", " + argument + ")");
  EXPECT_EQ(out, "x = self.f(\"(\")(\n    " + argument + ",\n    " + argument + ",\n    " + argument + ",\n)\n");
  out.clear();
  append_line(out, 0, "result = function(" + argument + ", " + argument + ", c=1)");
  EXPECT_EQ(out, "result = function(\n    " + argument + ", " + argument + ", c=1\n)\n");
}

}  // namespace
}  // namespace tinyml::codegen
