#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <utility>
#include <vector>

#include "tinyml/quantize.h"

namespace tinyml {

/// Adds values to a histogram of equal bins over [low, high] (low > high: empty). Values outside widen the range; the
/// old counts move to the bins that now cover them. Not finite values are skipped. Zeros widen the range and are not
/// counted: every scale represents them exactly. Of more than 16,384 values all widen the range, those at the
/// rare ends are counted, and of the others so many, evenly scattered, each for its neighbours as well.
void observe_histogram(std::span<const float> values, std::span<float> counts, float& low, float& high);

/// The part of [low, high] whose quantization has the least mean squared error over the histogram, rounding and
/// clipping together; found by a search over clipped bounds. Returns (low, high), as do the other two.
std::pair<double, double> least_error_range(std::span<const float> counts, double low, double high,
                                            const TensorScheme& scheme);

/// The part of [low, high] that holds scheme.percentile percent of the counted values, as much cut off on either side.
std::pair<double, double> percentile_range(std::span<const float> counts, double low, double high,
                                           const TensorScheme& scheme);

/// The part of [low, high] whose quantized distribution diverges least from the one observed, cut-off values counted at
/// its ends (Kullback-Leibler; Migacz, "8-bit inference with TensorRT", 2017, with both ends free). The whole range
/// where the scheme has as many integers as the histogram bins.
std::pair<double, double> least_divergence_range(std::span<const float> counts, double low, double high,
                                                 const TensorScheme& scheme);

/// What scheme.observer chooses: one of the three above, or [low, high]. Throws Error for an empty range.
std::pair<double, double> choose_range(std::span<const float> counts, double low, double high,
                                       const TensorScheme& scheme);

/// Scores of attention that a mask has made so small that softmax gives 0 (their distance from the largest is more than
/// 80: finfo.min, -inf, -1e4) must not widen the range. Returns the values with those that are masked put at `margin`
/// below the smallest of the others, where they still vanish; empty when none is masked.
std::vector<float> saturate_masked(std::span<const float> values, double margin);

/// Sets the scales and zero points of the activations' FakeQuants from example inputs, which run through the reference
/// evaluator with nothing rounded: post-training quantization without PyTorch. `samples`: for each run the graph's
/// inputs, as evaluate() takes them; `on_sample` is called after each. Observers are those of the scheme the FakeQuants
/// were made with, kMse where the graph does not say. Throws Error when there is no sample or no FakeQuant, and
/// for one that no finite value reached. Parts of concatenations share scales that differ little (share_scales), and
/// biases are rounded to the scales found (round_biases).
Graph calibrate(const Graph& graph, const std::vector<std::vector<Tensor>>& samples,
                const std::function<void(size_t)>& on_sample = {});

}  // namespace tinyml
