// FakeQuant nodes: QUANTIZE to the integers that the node says, and DEQUANTIZE.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "lower/nn/weights.h"
#include "lower/registry.h"

namespace tinyml::lowering {
namespace {

struct Scheme {
  std::vector<double> scale;
  std::vector<double> zero_point;
  int64_t axis = 0;
  int64_t low = 0, high = 0;  ///< quant_min and quant_max
};

bool is_zero(const Lowering& at, std::string_view name) {
  if (!at.node().has_arg(name)) return false;
  const Argument& argument = at.node().arg(name);
  if (argument.is_number()) return argument.as_double() == 0;
  const Tensor* data = at.constant_data(name);
  return data != nullptr && data->numel() == 1 && data->to_doubles()[0] == 0;
}

std::vector<double> numbers(const Lowering& at, std::string_view name) {
  const Argument& argument = at.node().arg(name);
  if (argument.is_number()) return {argument.as_double()};
  return at.require_constant(name).to_doubles();
}

// As ATen's fused operator does even when it observes nothing: the stored range decides, not the stored scale.
void choose_scale(Scheme& scheme, double low, double high, bool symmetric) {
  const auto quant_min = static_cast<double>(scheme.low);
  const auto quant_max = static_cast<double>(scheme.high);
  const bool centred = low < 0 && high > 0 && symmetric;
  if (centred) {
    const double half = std::floor((quant_max - quant_min) / 2);
    const double step = std::max(std::abs(low / (half + 1)), std::abs(high / half));
    low = -step * (half + 1);
    high = step * half;
  }
  low = std::min(low, 0.0);
  high = std::max(high, 0.0);
  double scale = static_cast<double>(static_cast<float>((high - low) / (quant_max - quant_min)));
  if (scale == 0 || std::isinf(1 / scale)) scale = 0.1;
  const double from_min = std::abs(quant_min) + std::abs(low / scale);
  const double from_max = std::abs(quant_max) + std::abs(high / scale);
  double zero_point = from_min < from_max ? quant_min - low / scale : quant_max - high / scale;
  if (centred) zero_point = (quant_min + quant_max) / 2;
  scheme.scale.push_back(scale);
  scheme.zero_point.push_back(std::clamp(std::nearbyint(zero_point), quant_min, quant_max));
}

Scheme read_scheme(const Lowering& at) {
  Scheme scheme;
  scheme.low = at.integer("quant_min");
  scheme.high = at.integer("quant_max");
  if (at.node().has_arg("running_min")) {
    const bool symmetric = at.node().has_arg("symmetric_quant") && at.flag("symmetric_quant");
    const std::vector<double> low = numbers(at, "running_min");
    const std::vector<double> high = numbers(at, "running_max");
    for (size_t i = 0; i < std::min(low.size(), high.size()); ++i) {
      if (!std::isfinite(low[i]) || !std::isfinite(high[i])) {
        at.refuse("a range that has seen no data yet", "calibrate or train the model first");
      }
      choose_scale(scheme, low[i], high[i], symmetric);
    }
  } else {
    scheme.scale = numbers(at, "scale");
    scheme.zero_point = numbers(at, "zero_point");
  }
  const char* axis = at.node().has_arg("ch_axis") ? "ch_axis" : "axis";
  if (scheme.scale.size() > 1) scheme.axis = at.axis(axis, static_cast<int64_t>(at.output_sizes().size()));
  if (scheme.scale.size() != scheme.zero_point.size()) {
    at.refuse(fmt::format("{} scales and {} zero points", scheme.scale.size(), scheme.zero_point.size()));
  }
  for (const double scale : scheme.scale) {
    if (!(scale > 0)) at.refuse(fmt::format("a scale of {}", scale), "calibrate or train the model first");
  }
  return scheme;
}

// Values on the grid of an integer type, clamped to the part of it that the scheme uses.
TensorId clamp_on_grid(Lowering& at, TensorId x, const Scheme& scheme, bool below, bool above) {
  const double scale = scheme.scale[0];
  const double zero_point = scheme.zero_point[0];
  if (below) {
    const double low = scale * (static_cast<double>(scheme.low) - zero_point);
    x = at.binary(Op::MAXIMUM, x, at.scalar(low, Type::FLOAT32));
  }
  if (above) {
    const double high = scale * (static_cast<double>(scheme.high) - zero_point);
    x = at.binary(Op::MINIMUM, x, at.scalar(high, Type::FLOAT32));
  }
  return x;
}

// "stage1.conv/conv2d_int8": the value that is quantized, under the name it has in the graph, which no other value has.
std::string integer_name(const Lowering& at, Type type) {
  const Argument& argument = at.node().arg("self");
  if (!argument.is_value()) return "";
  const Value& value = at.graph().value(argument.as_value());
  std::string path;
  if (value.producer != kNoNode) path = at.graph().node(value.producer).module_path();
  return fmt::format("{}{}{}_{}", path, path.empty() ? "" : "/", value.name, type == Type::INT8 ? "int8" : "int16");
}

TensorId put_on_grid(Lowering& at, TensorId x, Type type, const tflite::Quantization& quantization) {
  const TensorId quantized = at.emit(Op::QUANTIZE, {x}, type, at.shape(x));
  at.tensor(quantized).quantization = quantization;
  if (std::string name = integer_name(at, type); !name.empty()) at.tensor(quantized).name = std::move(name);
  return at.emit(Op::DEQUANTIZE, {quantized}, Type::FLOAT32, at.shape(x));
}

// A symmetric 16-bit grid over the range of an 8-bit one. Fixed scales of 8 bits become those of 16: 1/32768.
void widen(Scheme& scheme) {
  if (scheme.low < -128 || scheme.high > 127) return;
  const double below = scheme.zero_point[0] - static_cast<double>(scheme.low);
  const double above = static_cast<double>(scheme.high) + 1 - scheme.zero_point[0];
  scheme.scale[0] *= std::max(below, above) / 32768;
  scheme.zero_point[0] = 0;
  scheme.low = -32768;
  scheme.high = 32767;
}

Tensor clamp_constant(const Tensor& data, const Scheme& scheme) {
  Tensor result = data.to(ScalarType::kFloat32);
  int64_t inner = 1;
  for (int64_t dim = result.rank() - 1; dim > scheme.axis; --dim) inner *= result.size(dim);
  const size_t count = scheme.scale.size();
  const int64_t total = result.numel();
  float* values = result.mutable_data<float>();
  for (int64_t i = 0; i < total; ++i) {
    const size_t channel = count == 1 ? 0 : static_cast<size_t>(i / inner) % count;
    const auto low =
        static_cast<float>(scheme.scale[channel] * (static_cast<double>(scheme.low) - scheme.zero_point[channel]));
    const auto high =
        static_cast<float>(scheme.scale[channel] * (static_cast<double>(scheme.high) - scheme.zero_point[channel]));
    values[i] = std::clamp(values[i], low, high);
  }
  return result;
}

void lower_fake_quantize(Lowering& at) {
  TensorId x = at.input("self", Type::FLOAT32);
  const bool disabled = is_zero(at, "fake_quant_on") || is_zero(at, "fake_quant_enabled");
  if (disabled) return at.set_output(x);
  Scheme scheme = read_scheme(at);
  // Ranges of unsigned bytes become those of signed ones: the same real numbers.
  if (scheme.low >= 0 && scheme.high > 127 && scheme.high <= 255) {
    scheme.low -= 128;
    scheme.high -= 128;
    for (double& zero_point : scheme.zero_point) zero_point -= 128;
  }
  if (at.activations == Type::INT16 && scheme.scale.size() == 1 && at.constant_data("self") == nullptr) widen(scheme);
  const bool byte = scheme.low >= -128 && scheme.high <= 127;
  if (!byte && (scheme.low < -32768 || scheme.high > 32767)) {
    at.refuse(fmt::format("integers from {} to {}; TFLite has 8 and 16 bits", scheme.low, scheme.high));
  }
  const Type type = byte ? Type::INT8 : Type::INT16;
  const int64_t type_low = byte ? -128 : -32768;
  const int64_t type_high = byte ? 127 : 32767;
  bool below = scheme.low > type_low;
  bool above = scheme.high < type_high;
  if (below || above) {
    const Tensor* data = at.constant_data("self");
    if (data != nullptr) {
      x = at.constant(clamp_constant(*data, scheme), std::string(at.tensor(x).name));
      below = above = false;
    } else if (scheme.scale.size() == 1) {
      // What cuts at zero is a ReLU, which the operator before can take over; the rest is clamped on the grid, so that
      // that operator still runs in integers.
      if (below && static_cast<double>(scheme.low) == scheme.zero_point[0]) {
        const tflite::Operator* producer = at.producer_of(x);
        const bool positive = producer != nullptr && (producer->op == Op::RELU || producer->op == Op::RELU6);
        if (!positive) x = at.unary(Op::RELU, x);
        below = false;
      }
    } else {
      at.refuse("a range narrower than the integer type, per channel, of a computed tensor",
                "quantize activations per tensor, or use the whole range");
    }
  }
  tflite::Quantization quantization;
  quantization.scale.assign(scheme.scale.begin(), scheme.scale.end());
  quantization.zero_point.assign(scheme.zero_point.begin(), scheme.zero_point.end());
  quantization.quantized_dimension = static_cast<int32_t>(scheme.axis);
  x = put_on_grid(at, x, type, quantization);
  if (below || above) x = put_on_grid(at, clamp_on_grid(at, x, scheme, below, above), type, quantization);
  at.set_output(0, x);
}

}  // namespace

void register_fake_quantize(Registry& registry) {
  registry.add({"fake_quantize_per_tensor_affine.default", "fake_quantize_per_tensor_affine.tensor_qparams",
                "fake_quantize_per_channel_affine.default", "fake_quantize_per_tensor_affine_cachemask.default",
                "fake_quantize_per_channel_affine_cachemask.default",
                "_fake_quantize_per_tensor_affine_cachemask_tensor_qparams.default",
                "_fake_quantize_learnable_per_tensor_affine.default",
                "_fake_quantize_learnable_per_channel_affine.default", "fused_moving_avg_obs_fake_quant.default",
                "_fused_moving_avg_obs_fq_helper.default", "_fused_moving_avg_obs_fq_helper.functional"},
               lower_fake_quantize);
}

}  // namespace tinyml::lowering
