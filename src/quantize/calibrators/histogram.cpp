#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include "tinyml/calibration.h"

namespace tinyml {
namespace {

/// As many values of one call are counted at most: enough for 2048 bins.
constexpr size_t kMostCounted = size_t{1} << 14u;

/// Moves counts over [low, high] to the bins of [new_low, new_high], which contains it, by the middle of each bin.
void widen(std::span<float> counts, double low, double high, double new_low, double new_high) {
  const size_t bins = counts.size();
  const double width = (high - low) / static_cast<double>(bins);
  const double scale = static_cast<double>(bins) / (new_high - new_low);
  std::vector<float> moved(bins, 0.0f);
  for (size_t i = 0; i < bins; ++i) {
    if (counts[i] == 0.0f) continue;
    const double middle = low + (static_cast<double>(i) + 0.5) * width;
    const auto target = static_cast<size_t>(std::max(0.0, (middle - new_low) * scale));
    moved[std::min(target, bins - 1)] += counts[i];
  }
  std::copy(moved.begin(), moved.end(), counts.begin());
}

constexpr size_t kPart = 1024;

/// The least and the greatest finite value; infinite, the other way round, where there is none.
struct Extremes {
  float low = std::numeric_limits<float>::infinity();
  float high = -std::numeric_limits<float>::infinity();
};

// Memory is read as fast as it comes with wider registers than every x86-64 has.
#if defined(__x86_64__) && defined(__linux__) && defined(__GNUC__) && !defined(__clang__) && \
    !defined(__SANITIZE_ADDRESS__)
#define TINYML_WIDE_REGISTERS __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define TINYML_WIDE_REGISTERS
#endif

TINYML_WIDE_REGISTERS Extremes find_extremes(std::span<const float> values) {
  constexpr size_t kLanes = 16;  // Independent extremes, which the compiler keeps in vector registers.
  constexpr float kLargest = std::numeric_limits<float>::max();
  std::array<float, kLanes> low;
  std::array<float, kLanes> high;
  low.fill(Extremes().low);
  high.fill(Extremes().high);
  const auto take = [&](float value, size_t lane) {
    // Comparisons with NaN are false.
    low[lane] = value < low[lane] && value >= -kLargest ? value : low[lane];
    high[lane] = value > high[lane] && value <= kLargest ? value : high[lane];
  };
  const size_t whole = values.size() / kLanes * kLanes;
  for (size_t i = 0; i < whole; i += kLanes) {
    for (size_t lane = 0; lane < kLanes; ++lane) take(values[i + lane], lane);
  }
  for (size_t i = whole; i < values.size(); ++i) take(values[i], 0);
  return {*std::min_element(low.begin(), low.end()), *std::max_element(high.begin(), high.end())};
}

/// A number in [0, limit) that is the same for the same i and has no period that data might share.
size_t scatter(size_t i, size_t limit) { return static_cast<size_t>((i * 0x9E3779B97F4A7C15u) >> 33u) % limit; }

/// What one call sees of its values.
struct Summary {
  Extremes all;
  std::vector<Extremes> parts;  ///< Of each kPart values.
  std::vector<float> sample;    ///< One value of each block.
};

/// Reads memory once: a part is sampled while it is in the cache.
Summary summarize(std::span<const float> values, size_t block) {
  Summary result;
  result.sample.reserve(values.size() / block);
  result.parts.reserve(values.size() / kPart + 1);
  size_t next = 0;  // The block to sample.
  for (size_t begin = 0; begin < values.size(); begin += kPart) {
    const size_t end = std::min(begin + kPart, values.size());
    const Extremes part = find_extremes(values.subspan(begin, end - begin));
    result.parts.push_back(part);
    result.all = {std::min(result.all.low, part.low), std::max(result.all.high, part.high)};
    for (; (next + 1) * block <= end; ++next) result.sample.push_back(values[next * block + scatter(next, block)]);
  }
  return result;
}

/// What 31 parts in 32 stay within, below and above: beyond it values are so rare that a sample would miss them.
Extremes usual_range(const std::vector<Extremes>& parts) {
  std::vector<float> low;
  std::vector<float> high;
  for (const Extremes& part : parts) {
    low.push_back(part.low);
    high.push_back(part.high);
  }
  const auto few = static_cast<std::ptrdiff_t>(parts.size() / 32);
  std::nth_element(low.begin(), low.begin() + few, low.end());
  std::nth_element(high.begin(), high.end() - 1 - few, high.end());
  return {low[static_cast<size_t>(few)], high[high.size() - 1 - static_cast<size_t>(few)]};
}

/// Calls count(value, weight): for each of the sample in the usual range, and for every value outside.
template <typename Count>
void count_sampled(std::span<const float> values, const Summary& seen, size_t block, const Count& count) {
  const Extremes usual = usual_range(seen.parts);
  const auto outside = [&](float value) { return value < usual.low || value > usual.high; };
  for (const float value : seen.sample) {
    if (!outside(value)) count(value, static_cast<float>(block));
  }
  for (size_t i = 0; i < seen.parts.size(); ++i) {
    if (!outside(seen.parts[i].low) && !outside(seen.parts[i].high)) continue;
    for (const float value : values.subspan(i * kPart, std::min(kPart, values.size() - i * kPart))) {
      if (outside(value)) count(value, 1.0f);
    }
  }
}

}  // namespace

void observe_histogram(std::span<const float> values, std::span<float> counts, float& low, float& high) {
  TINYML_CHECK(!counts.empty());
  const size_t block = std::max<size_t>(1, (values.size() + kMostCounted - 1) / kMostCounted);
  const Summary seen = summarize(values, block);
  if (seen.all.low > seen.all.high) return;
  const bool empty = low > high;
  float new_low = empty ? seen.all.low : std::min(low, seen.all.low);
  float new_high = empty ? seen.all.high : std::max(high, seen.all.high);
  if (new_low == new_high) {  // one value only: a bin has some width
    const float margin = std::max(std::abs(new_low) * 1e-3f, 1e-6f);
    new_low -= margin;
    new_high += margin;
  }
  if (!empty && (new_low < low || new_high > high)) {
    widen(counts, static_cast<double>(low), static_cast<double>(high), static_cast<double>(new_low),
          static_cast<double>(new_high));
  }
  low = new_low;
  high = new_high;
  const double scale = static_cast<double>(counts.size()) / (static_cast<double>(high) - static_cast<double>(low));
  const auto count = [&](float value, float weight) {
    if (value == 0.0f || !std::isfinite(value)) return;
    const double bin = (static_cast<double>(value) - static_cast<double>(low)) * scale;
    counts[std::min(static_cast<size_t>(std::max(0.0, bin)), counts.size() - 1)] += weight;
  };
  if (block == 1) {
    for (const float value : values) count(value, 1.0f);
  } else {
    count_sampled(values, seen, block, count);
  }
}

}  // namespace tinyml
