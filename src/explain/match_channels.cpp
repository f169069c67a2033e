#include "explain/match_channels.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>

namespace tinyml::explaining {
namespace {

constexpr double kFar = 0.5;           // Of the energy: less error than that is no shuffle.
constexpr double kMuchNearer = 0.5;    // Of the error in the order as it is.
constexpr size_t kLeastElements = 16;  // Of a channel, to tell it from others.
constexpr double kCertain = 0.9;       // Of the channels: so many have the nearest of all, no other's.

struct Channels {
  std::span<const float> data;
  size_t batch, count, inner;

  float at(size_t n, size_t channel, size_t i) const { return data[(n * count + channel) * inner + i]; }
};

double distance(const Channels& a, size_t channel, const Channels& b, size_t other) {
  double sum = 0;
  for (size_t n = 0; n < a.batch; ++n) {
    for (size_t i = 0; i < a.inner; ++i) {
      const double difference = static_cast<double>(a.at(n, channel, i)) - static_cast<double>(b.at(n, other, i));
      sum += difference * difference;
    }
  }
  return sum;
}

// For each channel of `like` the one of `values`; empty where that is no permutation, or not much nearer.
std::vector<int64_t> find_order(const Channels& values, const Channels& like) {
  double unmatched = 0;
  double energy = 0;
  for (size_t channel = 0; channel < like.count; ++channel) unmatched += distance(values, channel, like, channel);
  for (const float x : like.data) energy += static_cast<double>(x) * static_cast<double>(x);
  if (!(unmatched > kFar * energy) || !std::isfinite(unmatched)) return {};
  std::vector<int64_t> order;
  std::vector<bool> taken(like.count);
  double matched = 0;
  size_t certain = 0;
  for (size_t channel = 0; channel < like.count; ++channel) {
    size_t nearest = 0;
    double least = std::numeric_limits<double>::infinity();  // Of those that are left.
    double least_of_all = least;
    for (size_t candidate = 0; candidate < like.count; ++candidate) {
      const double error = distance(values, candidate, like, channel);
      least_of_all = std::min(least_of_all, error);
      if (!taken[candidate] && error < least) nearest = candidate, least = error;
    }
    certain += least == least_of_all ? 1 : 0;
    taken[nearest] = true;
    order.push_back(static_cast<int64_t>(nearest));
    matched += least;
  }
  if (static_cast<double>(certain) < kCertain * static_cast<double>(like.count)) return {};
  return matched < kMuchNearer * unmatched ? order : std::vector<int64_t>{};
}

}  // namespace

Tensor match_channels(const Tensor& values, const Tensor& like, std::vector<int64_t>& order) {
  if (values.rank() < 3 || values.size(1) < 2) return values;
  const auto batch = static_cast<size_t>(values.size(0));
  const auto count = static_cast<size_t>(values.size(1));
  const size_t inner = static_cast<size_t>(values.numel()) / std::max<size_t>(1, batch * count);
  if (batch * inner < kLeastElements) return values;
  const Tensor stored = values.contiguous();
  const Channels channels{stored.data<float>(), batch, count, inner};
  if (order.empty()) {
    const Tensor reference = like.to(ScalarType::kFloat32).contiguous();
    order = find_order(channels, {reference.data<float>(), batch, count, inner});
  }
  if (order.empty()) return values;
  std::vector<float> result;
  result.reserve(channels.data.size());
  for (size_t n = 0; n < batch; ++n) {
    for (const int64_t channel : order) {
      for (size_t i = 0; i < inner; ++i) result.push_back(channels.at(n, static_cast<size_t>(channel), i));
    }
  }
  return Tensor::from<float>(result, values.shape());
}

}  // namespace tinyml::explaining
