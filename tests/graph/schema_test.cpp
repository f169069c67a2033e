#include "tinyml/schema.h"

#include <gtest/gtest.h>

#include <string_view>

namespace tinyml {
namespace {

constexpr std::string_view kTable[] = {
#include "graph/schema_table.inc"
};

TEST(Schema, EveryLineOfTheTableIsFoundUnderItsName) {
  std::string_view previous;
  for (std::string_view line : kTable) {
    const std::string_view key = line.substr(0, line.find('('));
    EXPECT_LT(previous, key);
    const OpSchema* schema = find_schema(key);
    ASSERT_NE(schema, nullptr) << key;
    EXPECT_EQ(schema->name, key);
    EXPECT_EQ(schema, find_schema(key));
    previous = key;
  }
}

TEST(Schema, KnowsTypesDefaultsAndOrder) {
  const OpSchema* conv = find_schema("aten.conv2d.default");
  ASSERT_NE(conv, nullptr);
  ASSERT_EQ(conv->arguments.size(), 7u);
  EXPECT_EQ(conv->arguments[2].name, "bias");
  EXPECT_TRUE(conv->arguments[2].type.optional);
  EXPECT_TRUE(conv->arguments[2].default_value->is_none());
  EXPECT_TRUE(conv->arguments[3].type.list && conv->arguments[3].type.symbolic);
  EXPECT_EQ(conv->arguments[3].type.list_size, 2);
  EXPECT_EQ(conv->arguments[3].default_value->as_ints(), (std::vector<int64_t>{1, 1}));
  EXPECT_EQ(find_schema("aten.max_pool2d.default")->arguments[3].default_value->as_ints(),
            (std::vector<int64_t>{0, 0}));
  EXPECT_EQ(find_schema("aten.gelu.default")->arguments[1].default_value->as_string(), "none");
  EXPECT_TRUE(find_schema("aten.gelu.default")->arguments[1].keyword_only);
  EXPECT_EQ(find_schema("aten.contiguous.default")->arguments[1].default_value->data,
            Argument(MemoryFormat::kContiguous).data);
  EXPECT_EQ(find_schema("aten.tril_indices.default")->arguments[3].default_value->as_scalar_type(), ScalarType::kInt64);
  EXPECT_TRUE(find_schema("aten.index.Tensor")->arguments[1].type.optional_items);
  EXPECT_EQ(find_schema("aten.leaky_relu.default")->arguments[1].type.kind, SchemaKind::kScalar);
}

TEST(Schema, KnowsAliases) {
  EXPECT_TRUE(find_schema("aten.add_.Tensor")->is_mutating());
  EXPECT_FALSE(find_schema("aten.add_.Tensor")->is_view());
  EXPECT_TRUE(find_schema("aten.slice.Tensor")->is_view());
  EXPECT_TRUE(find_schema("aten.unbind.int")->is_view());
  EXPECT_TRUE(find_schema("aten.unbind.int")->returns_list());
  EXPECT_FALSE(find_schema("aten.relu.default")->is_view());
  const OpSchema* observer = find_schema("aten.fused_moving_avg_obs_fake_quant.default");
  EXPECT_TRUE(observer->arguments[observer->find("scale")].type.mutated);
  EXPECT_FALSE(observer->arguments[observer->find("self")].type.mutated);
}

TEST(Schema, HasNoEntryForWhatTorchDoesNotDispatch) {
  for (std::string_view op : {"_operator.mul", "higher_order.cond", "aten.conv2d", "aten.conv2d.out", "", "zzz"}) {
    EXPECT_EQ(find_schema(op), nullptr) << op;
  }
}

TEST(MakeArgs, FillsDefaultsInSchemaOrder) {
  const auto args =
      make_args("aten.conv2d.default", {{"stride", 2}, {"weight", ValueId{1}}, {"input", ValueId{0}}, {"groups", 4}});
  ASSERT_EQ(args.size(), 7u);
  EXPECT_EQ(args[0].name, "input");
  EXPECT_EQ(args[1].value.as_value(), ValueId{1});
  EXPECT_TRUE(args[2].value.is_none());
  EXPECT_EQ(args[3].value.as_ints(), (std::vector<int64_t>{2, 2}));
  EXPECT_EQ(args[6].value.as_int(), 4);
  EXPECT_TRUE(
      make_args("aten.dropout.default", {{"input", ValueId{0}}, {"p", 1}, {"train", false}})[1].value.is_double());
}

TEST(MakeArgs, RefusesWhatTheSchemaDoesNotKnow) {
  EXPECT_THROW(make_args("aten.relu.default", {}), Error);
  EXPECT_THROW(make_args("aten.relu.default", {{"self", ValueId{0}}, {"self", ValueId{0}}}), Error);
  EXPECT_THROW(make_args("aten.relu.default", {{"input", ValueId{0}}}), Error);
  EXPECT_THROW(make_args("aten.no_such_operator.default", {}), Error);
}

}  // namespace
}  // namespace tinyml
