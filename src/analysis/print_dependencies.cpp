#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <set>

#include "tinyml/analysis.h"

namespace tinyml {
namespace {

/// How many of the axis's indices belong to the subgraph, as "64 of 96" or "64".
std::string count_in(const DependencyGraph& dependencies, const BindingAxis& axis, size_t subgraph) {
  const auto count = std::count_if(axis.units->begin(), axis.units->end(), [&](UnitId unit) {
    return unit != kPinnedUnit && dependencies.subgraph_of_unit[static_cast<size_t>(unit)] == subgraph;
  });
  const auto size = static_cast<std::ptrdiff_t>(axis.units->size());
  return count == size ? fmt::format("{}", count) : fmt::format("{} of {}", count, size);
}

const char* name_of(AxisRole role) {
  switch (role) {
    case AxisRole::kProducer:
      return "made by";
    case AxisRole::kConsumer:
      return "read by";
    case AxisRole::kFollower:
      return "also in";
  }
  return "";
}

}  // namespace

std::string place_of(const PinnedAxis& pinned) {
  const Diagnostic& reason = pinned.reason;
  std::string text = reason.module_path.empty() ? "" : "in " + reason.module_path;
  if (!reason.where.empty()) {
    text += fmt::format("{}at {}:{}", text.empty() ? "" : " ", reason.where.file, reason.where.line);
  }
  return text;
}

std::string to_string(const PinnedAxis& pinned) {
  const std::string place = place_of(pinned);
  return fmt::format("{} dim {} ({} of {}): {}{}{}", pinned.fqn, pinned.dim, pinned.pinned, pinned.size,
                     pinned.reason.what, place.empty() ? "" : " ", place);
}

std::string to_string(const DependencyGraph& dependencies) {
  std::string text;
  auto out = std::back_inserter(text);
  fmt::format_to(out, "{} subgraphs, {} prunable units\n", dependencies.subgraphs.size(), dependencies.unit_count);
  for (size_t i = 0; i < dependencies.subgraphs.size(); ++i) {
    const Subgraph& subgraph = dependencies.subgraphs[i];
    fmt::format_to(out, "\n[{}] {}: {} units\n", i, subgraph.name, subgraph.units.size());
    const auto print = [&](const BindingAxis& axis) {
      fmt::format_to(out, "  {} {} dim {} ({}{})\n", name_of(axis.role), axis.fqn, axis.dim,
                     count_in(dependencies, axis, i), axis.groups > 1 ? fmt::format(", {} groups", axis.groups) : "");
    };
    for (size_t axis : subgraph.producers) print(dependencies.axes[axis]);
    for (AxisRole role : {AxisRole::kFollower, AxisRole::kConsumer}) {
      for (size_t axis : subgraph.others) {
        if (dependencies.axes[axis].role == role) print(dependencies.axes[axis]);
      }
    }
    std::set<int64_t> rows;
    for (size_t index : subgraph.constraints) {
      const EqualCount& constraint = dependencies.constraints[index];
      rows.insert(static_cast<int64_t>(constraint.units->size()) / constraint.shape.back());
    }
    for (int64_t count : rows) fmt::format_to(out, "  each of {} parts keeps equally many\n", count);
  }
  if (dependencies.pinned.empty()) return text;
  fmt::format_to(out, "\nnot prunable:\n");
  for (const PinnedAxis& pinned : dependencies.pinned) {
    fmt::format_to(out, "  {}\n", to_string(pinned));
  }
  return text;
}

std::string to_dot(const DependencyGraph& dependencies) {
  std::string text = "digraph dependencies {\n  rankdir=LR;\n  node [fontname=\"sans-serif\"];\n";
  auto out = std::back_inserter(text);
  const auto layer = [](const std::string& fqn) {
    const size_t dot = fqn.rfind('.');
    return dot == std::string::npos ? fqn : fqn.substr(0, dot);
  };
  std::set<std::string> edges;
  for (size_t i = 0; i < dependencies.subgraphs.size(); ++i) {
    const Subgraph& subgraph = dependencies.subgraphs[i];
    fmt::format_to(out, "  s{} [shape=ellipse, label=\"{} units\"];\n", i, subgraph.units.size());
    for (size_t axis : subgraph.producers) {
      edges.insert(fmt::format("  \"{}\" -> s{};\n", layer(dependencies.axes[axis].fqn), i));
    }
    for (size_t axis : subgraph.others) {
      if (dependencies.axes[axis].role != AxisRole::kConsumer) continue;
      edges.insert(fmt::format("  s{} -> \"{}\";\n", i, layer(dependencies.axes[axis].fqn)));
    }
  }
  text += "  node [shape=box];\n";
  for (const std::string& edge : edges) text += edge;
  return text + "}\n";
}

}  // namespace tinyml
