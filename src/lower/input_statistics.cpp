#include "lower/input_statistics.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace tinyml::lowering {
namespace {

bool all_equal(const std::vector<double>& values) {
  return std::all_of(values.begin(), values.end(), [&](double value) { return value == values[0]; });
}

void check(const std::string& name, const Sizes& shape, const InputStatistics& statistics) {
  const size_t channels = shape.size() > 1 ? static_cast<size_t>(shape[1]) : 0;
  for (const auto& [what, values] : {std::pair{"mean", &statistics.mean}, std::pair{"std", &statistics.std}}) {
    if (values->size() == 1 || values->size() == channels) continue;
    throw Error(
        fmt::format("the {} of the input '{}' has {} values for {} channels", what, name, values->size(), channels),
        "give one number, or one for each index of dimension 1");
  }
  for (const double value : statistics.std) {
    if (!(value > 0) || !std::isfinite(value)) throw Error(fmt::format("the std of the input '{}' is {}", name, value));
  }
  for (const double value : statistics.mean) {
    if (!std::isfinite(value)) throw Error(fmt::format("the mean of the input '{}' is {}", name, value));
  }
}

// A number, or one for each channel (dimension 1).
TensorId constant_of(Lowering& at, const std::vector<double>& values, size_t rank) {
  if (all_equal(values)) return at.scalar(values[0], Type::FLOAT32);
  Sizes shape(rank - 1, 1);
  shape[0] = static_cast<int64_t>(values.size());
  return at.constant(std::vector<float>(values.begin(), values.end()), shape);
}

bool all_are(const std::vector<double>& values, double number) { return all_equal(values) && values[0] == number; }

}  // namespace

TensorId add_normalized_input(Lowering& at, const std::string& name, const Sizes& shape,
                              const InputStatistics& statistics) {
  check(name, shape, statistics);
  const bool integers = statistics.type != Type::FLOAT32;
  tflite::Quantization quantization;
  std::vector<double> mean = statistics.mean;
  std::vector<double> factor;
  for (const double value : statistics.std) factor.push_back(1 / value);
  if (integers) {
    double zero_point = 0;
    double scale = 1;
    if (all_equal(factor)) {
      zero_point = all_equal(mean) ? std::clamp(std::nearbyint(mean[0]), 0.0, 255.0) : 0;
      scale = factor[0];
      for (double& value : mean) value = (value - zero_point) * scale;  // In units of the result.
      factor = {1};
    }
    const int64_t offset = statistics.type == Type::INT8 ? 128 : 0;
    quantization.scale = {static_cast<float>(scale)};
    quantization.zero_point = {static_cast<int64_t>(zero_point) - offset};
  }
  TensorId x = at.add_tensor(statistics.type, shape, quantization);
  at.tensor(x).name = name;
  at.subgraph().inputs.push_back(x);
  if (integers) x = at.emit(Op::DEQUANTIZE, {x}, Type::FLOAT32, shape);
  if (!all_are(mean, 0)) x = at.binary(Op::SUB, x, constant_of(at, mean, shape.size()));
  if (!all_are(factor, 1)) x = at.binary(Op::MUL, x, constant_of(at, factor, shape.size()));
  return x;
}

}  // namespace tinyml::lowering
