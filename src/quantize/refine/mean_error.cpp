#include "quantize/refine/mean_error.h"

#include <algorithm>
#include <span>

namespace tinyml::quantization {
namespace {

/// By example, then channel.
std::vector<double> mean_errors(const ValuePair& results, bool batched, size_t channels, size_t inner) {
  std::vector<double> means;
  for (size_t run = 0; run < results.exact.size(); ++run) {
    const Tensor exact = results.exact[run].to(ScalarType::kFloat32);
    const Tensor rounded = results.rounded[run].to(ScalarType::kFloat32);
    const std::span<const float> a = exact.data<float>();
    const std::span<const float> b = rounded.data<float>();
    if (a.empty()) continue;
    const size_t examples = batched ? static_cast<size_t>(exact.size(0)) : 1;
    const size_t each = a.size() / examples;
    const size_t first = means.size();
    means.resize(first + examples * channels, 0.0);
    const double share = static_cast<double>(channels) / static_cast<double>(each);
    for (size_t i = 0; i < a.size(); ++i) {
      means[first + i / each * channels + i / inner % channels] += share * static_cast<double>(a[i] - b[i]);
    }
  }
  return means;
}

}  // namespace

std::vector<double> significant_mean_error(const ValuePair& results, bool batched, size_t channels, size_t inner) {
  const std::vector<double> means = mean_errors(results, batched, channels, inner);
  const size_t examples = means.size() / channels;
  std::vector<double> result(channels, 0.0);
  if (examples < 2) return result;
  const auto count = static_cast<double>(examples);
  for (size_t channel = 0; channel < channels; ++channel) {
    double mean = 0.0;
    for (size_t i = channel; i < means.size(); i += channels) mean += means[i] / count;
    double variance = 0.0;
    for (size_t i = channel; i < means.size(); i += channels) variance += (means[i] - mean) * (means[i] - mean);
    variance /= count * (count - 1);
    if (variance < mean * mean) result[channel] = mean - variance / mean;
  }
  return result;
}

}  // namespace tinyml::quantization
