#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "tinyml/explain.h"

namespace tinyml {
namespace {

constexpr size_t kMostDetails = 10;

std::string shortened(const std::string& text, size_t width) {
  return text.size() <= width ? text : "..." + text.substr(text.size() - width + 3);
}

}  // namespace

std::string to_string(const Explanation& explanation) {
  std::string text =
      fmt::format("{:<40} {:<24} {:>8} {:>8} {:>8}  {}\n", "layer", "kernel", "SNR dB", "alone dB", "unequal", "cause");
  for (const LayerError& layer : explanation.layers) {
    const std::string cause = layer.findings.empty() ? "" : std::string(name_of(layer.findings[0].cause));
    if (layer.kernel.empty()) {
      text +=
          fmt::format("{:<40} {:<24} {:>8} {:>8} {:>8}  {}\n", shortened(layer.name, 40), "-", "-", "-", "-", cause);
      continue;
    }
    text += fmt::format("{:<40} {:<24} {:>8.1f} {:>8.1f} {:>7.2f}%  {}\n", shortened(layer.name, 40), layer.kernel,
                        layer.snr_db, layer.own_snr_db, 100 * layer.unequal, cause);
  }
  for (const OutputSnr& output : explanation.outputs) {
    text += fmt::format("output '{}': {:.1f} dB\n", output.name, output.snr_db);
  }
  std::vector<const LayerError*> worst;
  for (const LayerError& layer : explanation.layers) {
    if (!layer.findings.empty() && !layer.kernel.empty()) worst.push_back(&layer);
  }
  std::stable_sort(worst.begin(), worst.end(),
                   [](const LayerError* a, const LayerError* b) { return a->own_snr_db < b->own_snr_db; });
  if (worst.size() > kMostDetails) worst.resize(kMostDetails);
  if (!worst.empty()) text += "\nThe layers that lose most by themselves:\n";
  for (const LayerError* layer : worst) {
    text += fmt::format("{} ({}): {:.1f} dB alone", layer->name, layer->op, layer->own_snr_db);
    if (!layer->where.empty()) text += fmt::format(", {}:{}", layer->where.file, layer->where.line);
    text += "\n";
    for (const ErrorFinding& finding : layer->findings) {
      const std::string share = finding.share > 0 ? fmt::format(" ({:.0f} % of it)", 100 * finding.share) : "";
      text += fmt::format("  {}{}: {}\n    -> {}\n", name_of(finding.cause), share, finding.detail, finding.remedy);
    }
  }
  return text;
}

}  // namespace tinyml
