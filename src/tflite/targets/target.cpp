#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "tflite/targets/target_table.h"
#include "tinyml/error.h"

namespace tinyml::tflite {
namespace {

struct Named {
  Target target;
  const char* name;
};

constexpr std::array kTargets = {Named{Target::kLitert, "litert"}, Named{Target::kLitertBuiltin, "litert-builtin"},
                                 Named{Target::kTfliteMicro, "tflite-micro"}, Named{Target::kEthosU, "ethos-u"}};

std::span<const TargetRow> table_of(Target target) {
  switch (target) {
    case Target::kLitertBuiltin:
      return litert_builtin_table();
    case Target::kTfliteMicro:
      return tflite_micro_table();
    case Target::kEthosU:
      return ethos_u_table();
    default:
      return litert_table();
  }
}

}  // namespace

Target parse_target(const std::string& name) {
  for (const Named& named : kTargets) {
    if (name == named.name) return named.target;
  }
  throw Error(fmt::format("'{}' is no target", name), fmt::format("use {}", fmt::join(target_names(), ", ")));
}

std::string_view to_string(Target target) {
  const auto* named =
      std::find_if(kTargets.begin(), kTargets.end(), [&](const Named& n) { return n.target == target; });
  return named->name;
}

std::vector<std::string> target_names() {
  std::vector<std::string> names;
  for (const Named& named : kTargets) names.emplace_back(named.name);
  return names;
}

const TargetRow* find_row(Target target, Op op) {
  const std::span<const TargetRow> table = table_of(target);
  const auto row = std::find_if(table.begin(), table.end(), [&](const TargetRow& r) { return r.op == op; });
  return row == table.end() ? nullptr : &*row;
}

}  // namespace tinyml::tflite
