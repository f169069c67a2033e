#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "tinyml/calibration.h"

namespace tinyml {
namespace {

/// Divergence of the distribution that so many integers over the bins [first, last) can tell apart from the observed
/// one with everything outside counted in the first and last bin. Infinite where there is nothing inside.
double divergence(std::span<const float> counts, size_t first, size_t last, size_t integers) {
  const auto sum = [&](size_t begin, size_t end) {
    return std::accumulate(counts.begin() + static_cast<std::ptrdiff_t>(begin),
                           counts.begin() + static_cast<std::ptrdiff_t>(end), 0.0);
  };
  const double below = sum(0, first);
  const double inside = sum(first, last);
  const double above = sum(last, counts.size());
  const double total = below + inside + above;
  if (inside == 0.0) return std::numeric_limits<double>::infinity();
  // An end bin that only cut-off values reach would diverge without bound; it counts as a very unlikely one.
  constexpr double kUnlikely = 1e-4;
  double result = 0.0;
  const size_t bins = last - first;
  const size_t groups = std::min(integers, bins);
  for (size_t group = 0; group < groups; ++group) {
    const size_t begin = first + group * bins / groups;
    const size_t end = first + (group + 1) * bins / groups;
    double counted = 0.0;
    size_t occupied = 0;
    for (size_t i = begin; i < end; ++i) {
      counted += static_cast<double>(counts[i]);
      if (counts[i] != 0.0f) ++occupied;
    }
    for (size_t i = begin; i < end; ++i) {
      double observed = static_cast<double>(counts[i]);
      double quantized = observed == 0.0 ? 0.0 : counted / static_cast<double>(occupied) / inside;
      if (i == first) observed += below;
      if (i == last - 1) observed += above;
      if (observed == 0.0) continue;
      observed /= total;
      quantized = std::max(quantized, kUnlikely / static_cast<double>(bins));
      result += observed * std::log(observed / quantized);
    }
  }
  return result;
}

}  // namespace

std::pair<double, double> least_divergence_range(std::span<const float> counts, double low, double high,
                                                 const TensorScheme& scheme) {
  const size_t bins = counts.size();
  const auto integers = static_cast<size_t>(scheme.quant_max - scheme.quant_min + 1);
  if (integers >= bins) return {low, high};
  const double width = (high - low) / static_cast<double>(bins);
  // The bin with zero stays inside; a range on one side of zero begins at its own end there.
  const auto zero = static_cast<size_t>(std::clamp(-low / width, 0.0, static_cast<double>(bins - 1)));
  size_t first = 0;
  size_t last = bins;
  double best = divergence(counts, first, last, integers);
  const auto consider = [&](size_t new_first, size_t new_last) {
    if (new_last - new_first < integers) return false;
    const double found = divergence(counts, new_first, new_last, integers);
    if (!(found < best)) return false;
    best = found;
    first = new_first;
    last = new_last;
    return true;
  };
  constexpr size_t kSteps = 128;
  const auto first_at = [&](size_t step) { return zero * step / kSteps; };
  const auto last_at = [&](size_t step) { return bins - (bins - zero - 1) * step / kSteps; };
  // Both ends together, then each alone from the best so far until neither helps.
  for (size_t step = 1; step < kSteps; ++step) consider(first_at(step), last_at(step));
  for (bool improved = true; improved;) {
    improved = false;
    const size_t fixed_last = last;
    for (size_t step = 0; step < kSteps; ++step) improved = consider(first_at(step), fixed_last) || improved;
    const size_t fixed_first = first;
    for (size_t step = 0; step < kSteps; ++step) improved = consider(fixed_first, last_at(step)) || improved;
  }
  return {low + width * static_cast<double>(first), low + width * static_cast<double>(last)};
}

}  // namespace tinyml
