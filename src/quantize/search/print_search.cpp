#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "tinyml/precision_search.h"

namespace tinyml {
namespace {

std::string decibels(double ratio) { return ratio > 0.0 ? fmt::format("{:.1f}", -10.0 * std::log10(ratio)) : "-"; }

}  // namespace

std::string to_string(const PrecisionSearchResult& result) {
  size_t width = 5;
  for (const SearchedLayer& layer : result.layers) width = std::max(width, layer.chosen.name.size());
  std::string text = fmt::format("{:<{}}  {:<20} {:>9} {:>9}  {}\n", "layer", width, "operator", "values dB",
                                 "weight dB", "precision");
  for (const SearchedLayer& layer : result.layers) {
    text += fmt::format("{:<{}}  {:<20} {:>9} {:>9}  {}\n", layer.chosen.name, width, layer.chosen.op,
                        decibels(layer.value_noise), decibels(layer.weight_noise), layer.chosen.precision);
  }
  const double whole = result.float_cost > 0.0 ? result.float_cost : 1.0;
  const auto line = [&](const char* name, const MeasuredAssignment& measured) {
    return fmt::format("{:<12} quality {:.4g}, cost {:.4g} ({:.1f} % of float)\n", name, measured.quality,
                       measured.cost, 100.0 * measured.cost / whole);
  };
  text += line("configured", result.configured) + line("chosen", result.chosen);
  if (!result.complete) text += "the search was stopped: this is the best that was measured until then\n";
  return text;
}

}  // namespace tinyml
