#include "tflite/passes/scale_limits.h"

#include <algorithm>

namespace tinyml::tflite {
namespace {

constexpr double kMost = 256.0;

bool within(double ratio, double least) { return ratio >= least && ratio < kMost; }

}  // namespace

bool within_scale_limits(Op op, const std::vector<float>& inputs, float output) {
  const auto out = static_cast<double>(output);
  const auto each = [&](double least) {
    return std::all_of(inputs.begin(), inputs.end(),
                       [&](float scale) { return within(static_cast<double>(scale) / out, least); });
  };
  switch (op) {
    case Op::ADD:
    case Op::SUB:
      return each(1.0 / 1024);
    case Op::MUL: {
      double product = 1;
      for (const float scale : inputs) product *= static_cast<double>(scale);
      return within(product / out, 1.0 / 65536);
    }
    case Op::LEAKY_RELU:
    case Op::MEAN:
    case Op::QUANTIZE:
      return each(1.0 / 256);
    default:
      return true;
  }
}

bool within_weight_limits(float input, const std::vector<float>& weights, float output) {
  return std::all_of(weights.begin(), weights.end(), [&](float scale) {
    return static_cast<double>(input) * static_cast<double>(scale) / static_cast<double>(output) < kMost;
  });
}

}  // namespace tinyml::tflite
