#include <gtest/gtest.h>

#include "tinyml/prune.h"

namespace tinyml {
namespace {

std::string message_of(const std::string& yaml) {
  try {
    parse_pruning_config(yaml);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(PruningConfig, ReadsYamlAndJson) {
  const PruningConfig yaml = parse_pruning_config(
      "sparsity: {default: 0.3, features.0: 0.1}\nmetrics: fpgm\nmultiple: 8\nexclude_ops: [head]\nskip_last_fc: "
      "false\n");
  EXPECT_EQ(yaml.sparsity, 0.3);
  EXPECT_EQ(yaml.layer_sparsity.at("features.0"), 0.1);
  EXPECT_EQ(yaml.metric, "fpgm");
  EXPECT_EQ(yaml.multiple, 8);
  EXPECT_EQ(yaml.exclude_ops, std::vector<std::string>{"head"});
  EXPECT_FALSE(yaml.skip_last_fc);
  const PruningConfig json = parse_pruning_config(R"({"target": {"flops": 0.4}, "metrics": "random", "seed": 3})");
  EXPECT_EQ(json.target_flops, 0.4);
  EXPECT_EQ(json.seed, 3u);
  EXPECT_EQ(parse_pruning_config("").metric, "l2_norm");
}

TEST(PruningConfig, ReadsScopesAndTargets) {
  const PruningConfig config = parse_pruning_config(
      "{metrics: taylor, scope: global, normalize: max, group_reduction: mean, max_sparsity: 0.9, target: {params: "
      "0.3}}");
  EXPECT_EQ(config.metric, "taylor");
  EXPECT_EQ(config.scope, "global");
  EXPECT_EQ(config.normalize, "max");
  EXPECT_EQ(config.group_reduction, "mean");
  EXPECT_EQ(config.max_sparsity, 0.9);
  EXPECT_EQ(config.target_parameters, 0.3);
  EXPECT_FALSE(config.target_flops.has_value());
}

TEST(PruningConfig, NamesTheNearestKey) {
  EXPECT_NE(message_of("scope: globl").find("did you mean 'global'?"), std::string::npos);
  EXPECT_NE(message_of("sparcity: 0.5").find("did you mean 'sparsity'?"), std::string::npos);
  EXPECT_NE(message_of("metrics: l1norm").find("did you mean 'l1_norm'?"), std::string::npos);
}

TEST(PruningConfig, ReportsEveryProblem) {
  const std::string message = message_of("sparsity: 1.5\nmultiple: none\ntarget: {flop: 0.4}\nexclude_ops: a\n");
  for (const char* part : {"sparsity", "multiple", "target.flop", "exclude_ops"}) {
    EXPECT_NE(message.find(part), std::string::npos) << message;
  }
}

TEST(PruningConfig, RefusesWhatIsNoYaml) {
  EXPECT_NE(message_of("a: [").find("not YAML"), std::string::npos);
  EXPECT_NE(message_of("- 1").find("mapping"), std::string::npos);
  EXPECT_THROW(read_pruning_config("/no/such/file.yml"), Error);
}

}  // namespace
}  // namespace tinyml
