#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

#include "tinyml/calibration.h"

namespace tinyml {
namespace {

TEST(ChooseScale, ZeroIsExactAndTheRangeIsCovered) {
  std::mt19937 random(1);
  std::uniform_real_distribution<double> uniform(-3.0, 3.0);
  for (int i = 0; i < 1000; ++i) {
    double low = uniform(random);
    double high = uniform(random);
    if (low > high) std::swap(low, high);
    const ScaleZeroPoint q = choose_scale(low, high, {});
    EXPECT_GE(q.zero_point, -128);
    EXPECT_LE(q.zero_point, 127);
    const double scale = static_cast<double>(q.scale);
    EXPECT_LE((-128 - q.zero_point) * scale, std::min(low, 0.0) + 0.51 * scale);
    EXPECT_GE((127 - q.zero_point) * scale, std::max(high, 0.0) - 0.51 * scale);
  }
}

TEST(ChooseScale, EdgesOfTheRange) {
  EXPECT_EQ(choose_scale(0.0, 255.0, {}).zero_point, -128);
  EXPECT_EQ(choose_scale(2.0, 255.0, {}).scale, 1.0f);
  EXPECT_EQ(choose_scale(-255.0, 0.0, {}).zero_point, 127);
  EXPECT_EQ(choose_scale(0.0, 0.0, {}).scale, 0x1p-40f);
  EXPECT_EQ(choose_scale(0.0, 12.7, {.quant_min = 0, .quant_max = 127}).zero_point, 0);
  EXPECT_FLOAT_EQ(choose_scale(-2.54, 1.0, {-127, 127, true, false, Observer::kMinMax, 0.01, 99.99}).scale, 0.02f);
  EXPECT_THROW(choose_scale(0.0, std::numeric_limits<double>::infinity(), {}), Error);
}

TEST(ChooseWeightScales, FollowsTheAxis) {
  const Tensor weight = Tensor::from<float>({1, -2, 3, 4, 5, -6}, {2, 3});
  const TensorScheme scheme{-127, 127, true, true, Observer::kMinMax, 0.01, 99.99};
  EXPECT_EQ(choose_weight_scales(weight, 0, scheme), (std::vector<float>{3.0f / 127, 6.0f / 127}));
  EXPECT_EQ(choose_weight_scales(weight, 1, scheme), (std::vector<float>{4.0f / 127, 5.0f / 127, 6.0f / 127}));
  EXPECT_EQ(choose_weight_scales(weight, -1, scheme), (std::vector<float>{6.0f / 127}));
}

TEST(ChooseWeightScales, LeastSquaredErrorHalvesTheNoiseOfShortRows) {
  std::mt19937 random(5);
  std::normal_distribution<float> normal;
  constexpr int64_t kRows = 64, kColumns = 9;
  std::vector<float> values(kRows * kColumns);
  for (float& value : values) value = normal(random);
  const Tensor weight = Tensor::from<float>(values, {kRows, kColumns});
  const auto noise = [&](Observer observer) {
    const std::vector<float> scales = choose_weight_scales(weight, 0, {-127, 127, true, true, observer, 0.01, 99.99});
    double sum = 0.0;
    for (size_t i = 0; i < values.size(); ++i) {
      const float scale = scales[i / kColumns];
      const float back = std::clamp(std::nearbyint(values[i] / scale), -127.0f, 127.0f) * scale;
      sum += static_cast<double>((back - values[i]) * (back - values[i]));
    }
    return sum;
  };
  EXPECT_LT(noise(Observer::kMse), 0.5 * noise(Observer::kMinMax));
  // One scale for the tensor is that of its largest value.
  const TensorScheme whole{-127, 127, true, false, Observer::kMse, 0.01, 99.99};
  const float largest = std::abs(
      *std::max_element(values.begin(), values.end(), [](float a, float b) { return std::abs(a) < std::abs(b); }));
  EXPECT_EQ(choose_weight_scales(weight, -1, whole), std::vector<float>{largest / 127});
}

TEST(Histogram, CountsSurviveWidening) {
  std::vector<float> counts(64, 0.0f);
  float low = std::numeric_limits<float>::infinity();
  float high = -low;
  observe_histogram(std::vector<float>{0.0f, 1.0f, 0.5f}, counts, low, high);
  observe_histogram(std::vector<float>{-3.0f, 5.0f, std::nanf("")}, counts, low, high);
  EXPECT_EQ(low, -3.0f);
  EXPECT_EQ(high, 5.0f);
  double total = 0.0;
  double mean = 0.0;
  for (size_t i = 0; i < counts.size(); ++i) {
    total += static_cast<double>(counts[i]);
    mean += static_cast<double>(counts[i]) * (-3.0 + (static_cast<double>(i) + 0.5) * 8.0 / 64.0);
  }
  EXPECT_EQ(total, 4.0);  // zeros do not count
  EXPECT_NEAR(mean / total, 0.875, 0.1);
}

TEST(Histogram, BestRangeClipsAnOutlierOnlyWhereItPays) {
  std::mt19937 random(2);
  std::normal_distribution<float> normal;
  std::vector<float> values(20000);
  for (float& value : values) value = normal(random);
  values[0] = 60.0f;
  std::vector<float> counts(2048, 0.0f);
  float low = std::numeric_limits<float>::infinity();
  float high = -low;
  observe_histogram(values, counts, low, high);
  const auto error = [&](std::pair<double, double> range) {
    const ScaleZeroPoint q = choose_scale(range.first, range.second, {});
    double sum = 0.0;
    for (const float value : values) {
      const double scale = static_cast<double>(q.scale);
      const double integer =
          std::clamp(std::nearbyint(static_cast<double>(value) / scale) + q.zero_point, -128.0, 127.0);
      sum += std::pow((integer - q.zero_point) * scale - static_cast<double>(value), 2);
    }
    return sum;
  };
  const std::pair<double, double> best =
      least_error_range(counts, static_cast<double>(low), static_cast<double>(high), {});
  EXPECT_LT(best.second, 60.0);
  // No other upper bound of a fine scan of the data itself is better by more than a few percent.
  double least = std::numeric_limits<double>::infinity();
  for (double bound = 2.0; bound <= 60.0; bound += 0.5)
    least = std::min(least, error({static_cast<double>(low), bound}));
  EXPECT_LT(error(best), 1.05 * least);
}

std::vector<float> counts_of(const std::vector<float>& values, float& low, float& high) {
  std::vector<float> counts(2048, 0.0f);
  low = std::numeric_limits<float>::infinity();
  high = -low;
  observe_histogram(values, counts, low, high);
  return counts;
}

TEST(Histogram, ThePercentileIsThatOfTheSortedValues) {
  std::mt19937 random(3);
  std::normal_distribution<float> normal(1.0f, 2.0f);
  std::vector<float> values(50000);
  for (float& value : values) value = normal(random);
  float low = 0;
  float high = 0;
  const std::vector<float> counts = counts_of(values, low, high);
  TensorScheme scheme;
  scheme.observer = Observer::kPercentile;
  std::sort(values.begin(), values.end());
  const auto share_below = [&](double bound) {
    const auto found = std::lower_bound(values.begin(), values.end(), static_cast<float>(bound));
    return static_cast<double>(found - values.begin()) / static_cast<double>(values.size());
  };
  for (const double percentile : {99.0, 99.9, 80.0, 100.0}) {
    scheme.percentile = percentile;
    const auto [from, to] = choose_range(counts, static_cast<double>(low), static_cast<double>(high), scheme);
    const double cut = (1 - percentile / 100) / 2;
    const double tolerance = 3 * std::sqrt(cut / 12500);  // a sample of so many, three standard deviations
    EXPECT_NEAR(share_below(from), cut, tolerance) << percentile;
    EXPECT_NEAR(1 - share_below(to), cut, tolerance + 1.5 / 50000) << percentile;
  }
}

TEST(Histogram, EveryRareValueOfManyCounts) {
  std::mt19937 random(5);
  std::normal_distribution<float> normal;
  std::vector<float> values(1000003);
  for (float& value : values) value = normal(random);
  for (size_t i = 0; i < 10; ++i) {
    values[i * 99991 + 7] = 30.0f + static_cast<float>(i);
    values[i * 88883 + 5] = -40.0f;
  }
  values[17] = std::numeric_limits<float>::infinity();
  values[18] = std::nanf("");
  float low = 0;
  float high = 0;
  const std::vector<float> counts = counts_of(values, low, high);
  EXPECT_EQ(low, -40.0f);
  EXPECT_EQ(high, 39.0f);
  const double width = (static_cast<double>(high) - static_cast<double>(low)) / static_cast<double>(counts.size());
  double above = 0;
  double below = 0;
  double total = 0;
  for (size_t i = 0; i < counts.size(); ++i) {
    const double middle = static_cast<double>(low) + (static_cast<double>(i) + 0.5) * width;
    (middle > 20 ? above : middle < -20 ? below : total) += static_cast<double>(counts[i]);
  }
  EXPECT_EQ(above, 10);
  EXPECT_EQ(below, 10);
  EXPECT_NEAR(total, 1000003, 1000);  // the others: a sample that stands for all of them
}

TEST(Histogram, DivergenceCutsALongTailOff) {
  std::mt19937 random(4);
  std::exponential_distribution<float> exponential(1.0f);
  std::vector<float> values(100000);
  for (float& value : values) value = exponential(random);
  values[0] = 80.0f;
  float low = 0;
  float high = 0;
  const std::vector<float> counts = counts_of(values, low, high);
  TensorScheme scheme;
  scheme.observer = Observer::kKl;
  const auto [from, to] = choose_range(counts, static_cast<double>(low), static_cast<double>(high), scheme);
  EXPECT_LE(from, 0.05);
  EXPECT_GT(to, 6.0);   // 0.2 % of the values lie beyond
  EXPECT_LT(to, 20.0);  // none but the outlier does
  scheme.quant_min = -32768;
  scheme.quant_max = 32767;
  EXPECT_EQ(choose_range(counts, static_cast<double>(low), 80.0, scheme).second, 80.0);
}

TEST(Histogram, NothingButZerosHasTheRangeObserved) {
  float low = 0;
  float high = 0;
  const std::vector<float> counts = counts_of({0.0f, 0.0f}, low, high);
  for (const Observer observer : {Observer::kMse, Observer::kPercentile, Observer::kKl}) {
    TensorScheme scheme;
    scheme.observer = observer;
    EXPECT_EQ(choose_range(counts, static_cast<double>(low), static_cast<double>(high), scheme).second,
              static_cast<double>(high));
  }
}

TEST(SaturateMasked, PutsMaskedScoresBelowTheOthers) {
  const float lowest = std::numeric_limits<float>::lowest();
  const float infinity = std::numeric_limits<float>::infinity();
  EXPECT_EQ(saturate_masked(std::vector<float>{3.0f, lowest, -5.0f, -infinity, -1e4f}, 16.0),
            (std::vector<float>{3.0f, -21.0f, -5.0f, -21.0f, -21.0f}));
  EXPECT_EQ(saturate_masked(std::vector<float>{0.0f, lowest}, 128.0), (std::vector<float>{0.0f, -128.0f}));
  EXPECT_TRUE(saturate_masked(std::vector<float>{3.0f, -5.0f}, 16.0).empty());
}

}  // namespace
}  // namespace tinyml
