#include <fmt/format.h>

#include <algorithm>

#include "tinyml/pruning_report.h"

namespace tinyml {
namespace {

double share(int64_t part, int64_t whole) {
  return whole > 0 ? 100.0 * static_cast<double>(part) / static_cast<double>(whole) : 100.0;
}

std::string total(const char* name, int64_t before, int64_t after) {
  return fmt::format("{:<24} {:>15} -> {:>15}  ({:.1f} %)\n", name, before, after, share(after, before));
}

}  // namespace

std::string to_string(const PruningReport& report) {
  size_t width = 8;
  for (const SubgraphChange& change : report.subgraphs) width = std::max(width, change.name.size());
  const bool is_timed = report.latency_before.has_value();
  std::string text =
      fmt::format("{:<{}}  {:>13}  {:>31}  {:>21}", "subgraph", width, "channels", "MACs", "peak activations, kB");
  text += is_timed ? fmt::format("  {:>19}\n", "latency, ms") : "\n";
  const auto milliseconds = [](const std::optional<double>& seconds) {
    return seconds ? fmt::format("{:.3f}", 1e3 * *seconds) : std::string("-");
  };
  for (const SubgraphChange& change : report.subgraphs) {
    text += fmt::format("{:<{}}  {:>5} -> {:>4}  {:>14} -> {:>13}  {:>9.1f} -> {:>8.1f}", change.name, width,
                        change.units_before, change.units_after, change.macs_before, change.macs_after,
                        static_cast<double>(change.peak_before) / 1e3, static_cast<double>(change.peak_after) / 1e3);
    if (is_timed) {
      text += fmt::format("  {:>8} -> {:>7}", milliseconds(change.seconds_before), milliseconds(change.seconds_after));
    }
    text += "\n";
  }
  text += "\n" + total("MACs", report.before.total.macs, report.after.total.macs);
  text += total("parameters", report.before.parameters, report.after.parameters);
  text += total("peak activation bytes", report.before.peak_activation_bytes, report.after.peak_activation_bytes);
  if (report.latency_before && report.latency_after) {
    text += fmt::format("{:<24} {:>12.3f} ms -> {:>12.3f} ms  ({:.1f} %)\n", "latency", 1e3 * *report.latency_before,
                        1e3 * *report.latency_after, 100.0 * *report.latency_after / *report.latency_before);
  }
  if (!report.pinned.empty()) text += "\nwhat stays, and why:\n";
  for (const PinnedAxis& pinned : report.pinned) text += fmt::format("  {}\n", to_string(pinned));
  return text;
}

}  // namespace tinyml
