#include <algorithm>
#include <array>

#include "tinyml/calibration.h"

namespace tinyml {

std::string_view name_of(Observer observer) {
  switch (observer) {
    case Observer::kMovingAverage:
      return "moving_average";
    case Observer::kMinMax:
      return "min_max";
    case Observer::kMse:
      return "mse";
    case Observer::kPercentile:
      return "percentile";
    case Observer::kKl:
      return "kl";
  }
  report_internal_error("observer is known", __FILE__, __LINE__);
}

std::optional<Observer> observer_named(std::string_view name) {
  constexpr std::array kAll = {Observer::kMovingAverage, Observer::kMinMax, Observer::kMse, Observer::kPercentile,
                               Observer::kKl};
  if (name == "histogram" || name == "l2") return Observer::kMse;
  if (name == "entropy") return Observer::kKl;
  const auto found =
      std::find_if(kAll.begin(), kAll.end(), [&](Observer observer) { return name_of(observer) == name; });
  return found == kAll.end() ? std::nullopt : std::optional(*found);
}

bool reads_histogram(Observer observer) {
  return observer == Observer::kMse || observer == Observer::kPercentile || observer == Observer::kKl;
}

std::pair<double, double> choose_range(std::span<const float> counts, double low, double high,
                                       const TensorScheme& scheme) {
  if (low > high) throw Error("A range is asked of an observer that has observed nothing.");
  const bool only_zeros = std::all_of(counts.begin(), counts.end(), [](float count) { return count == 0.0f; });
  if (only_zeros) return {low, high};
  switch (scheme.observer) {
    case Observer::kMse:
      return least_error_range(counts, low, high, scheme);
    case Observer::kPercentile:
      return percentile_range(counts, low, high, scheme);
    case Observer::kKl:
      return least_divergence_range(counts, low, high, scheme);
    case Observer::kMovingAverage:
    case Observer::kMinMax:
      break;
  }
  return {low, high};
}

}  // namespace tinyml
