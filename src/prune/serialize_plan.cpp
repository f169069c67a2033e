#include <fmt/format.h>

#include <cstdio>
#include <nlohmann/json.hpp>

#include "tinyml/atomic_file.h"
#include "tinyml/prune.h"

namespace tinyml {
namespace {

constexpr const char* kFormat = "tinyml.pruning_plan";
constexpr int kVersion = 1, kVersionWithBranches = 2;

}  // namespace

std::string to_json(const PruningPlan& plan) {
  nlohmann::ordered_json document;
  document["format"] = kFormat;
  document["version"] = plan.removed_branches.empty() ? kVersion : kVersionWithBranches;
  document["metric"] = plan.metric;
  if (plan.dependencies.whole_heads) document["attention"] = "heads";
  if (!plan.removed_branches.empty()) document["removed_branches"] = plan.removed_branches;
  nlohmann::ordered_json cuts = nlohmann::ordered_json::array();
  for (const Cut& cut : plan.cuts) {
    nlohmann::ordered_json entry;
    entry["parameter"] = cut.fqn;
    entry["dimension"] = cut.dim;
    entry["size"] = cut.size;
    if (cut.groups > 1) entry["groups"] = cut.groups;
    entry["kept"] = cut.kept;
    cuts.push_back(std::move(entry));
  }
  document["cuts"] = std::move(cuts);
  return document.dump() + "\n";
}

PruningPlan parse_pruning_plan(const std::string& json) {
  try {
    const nlohmann::json document = nlohmann::json::parse(json);
    if (document.at("format") != kFormat) throw Error("this is not a pruning plan");
    const nlohmann::json& version = document.at("version");
    if (version != kVersion && version != kVersionWithBranches) {
      throw Error(fmt::format("the pruning plan has version {}, this tinyml reads versions {} and {}", version.dump(),
                              kVersion, kVersionWithBranches),
                  "make the plan again with this version");
    }
    PruningPlan plan;
    plan.metric = document.value("metric", "");
    plan.dependencies.whole_heads = document.value("attention", "") == "heads";
    if (version == kVersionWithBranches) {
      plan.removed_branches = document.at("removed_branches").get<std::vector<std::string>>();
    }
    for (const nlohmann::json& entry : document.at("cuts")) {
      Cut cut;
      cut.fqn = entry.at("parameter").get<std::string>();
      cut.dim = entry.at("dimension").get<int64_t>();
      cut.size = entry.at("size").get<int64_t>();
      cut.groups = entry.value("groups", int64_t{1});
      cut.kept = entry.at("kept").get<std::vector<int64_t>>();
      if (cut.groups < 1) throw Error(fmt::format("'{}' has {} groups", cut.fqn, cut.groups));
      plan.cuts.push_back(std::move(cut));
    }
    return plan;
  } catch (const nlohmann::json::exception& error) {
    throw Error(fmt::format("cannot read the pruning plan: {}", error.what()));
  }
}

void write_pruning_plan(const PruningPlan& plan, const std::string& path) { write_file(path, to_json(plan)); }

PruningPlan read_pruning_plan(const std::string& path) { return parse_pruning_plan(read_file(path, "pruning plan")); }

}  // namespace tinyml
