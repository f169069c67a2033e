// Activation functions; dropout is the identity.
#include <cmath>

#include "evaluate/elementwise.h"
#include "evaluate/registry.h"
#include "evaluate/scalar_math.h"
#include "evaluate/view.h"

namespace tinyml::evaluation {
namespace {

/// Keeps NaN, as PyTorch does.
template <typename T>
T limit(T x, T low, T high) {
  return x < low ? low : (x > high ? high : x);
}

template <auto F>
Tensor activate(const OperatorCall& call) {
  return map_floating(call.tensor("self"), F);
}

Tensor identity(const OperatorCall& call) { return call.tensor("input"); }

Tensor relu(const OperatorCall& call) {
  return map_any(call.tensor("self"), [](auto x) { return x < 0 ? decltype(x){0} : x; });
}

Tensor relu6(const OperatorCall& call) {
  return map_any(call.tensor("self"), [](auto x) { return limit(x, decltype(x){0}, decltype(x){6}); });
}

Tensor sigmoid(const OperatorCall& call) {
  return map_as_floating(call, call.tensor("self"), [](auto x) { return logistic(x); });
}

Tensor tanh(const OperatorCall& call) {
  return map_as_floating(call, call.tensor("self"), [](auto x) { return std::tanh(x); });
}

Tensor hardtanh(const OperatorCall& call) {
  const double low = call.number("min_val");
  const double high = call.number("max_val");
  return map_any(call.tensor("self"), [=](auto x) {
    using T = decltype(x);
    return limit(x, static_cast<T>(low), static_cast<T>(high));
  });
}

Tensor leaky_relu(const OperatorCall& call) {
  const double slope = call.number("negative_slope");
  return map_floating(call.tensor("self"), [=](auto x) { return x > 0 ? x : x * static_cast<decltype(x)>(slope); });
}

/// In inference the slope is the middle of its range.
Tensor rrelu(const OperatorCall& call) {
  const double slope = (call.number("lower") + call.number("upper")) / 2;
  return map_floating(call.tensor("self"), [=](auto x) { return x > 0 ? x : x * static_cast<decltype(x)>(slope); });
}

Tensor elu(const OperatorCall& call) {
  const double alpha = call.number("alpha");
  const double scale = call.number("scale");
  const double input_scale = call.number("input_scale");
  return map_floating(call.tensor("self"), [=](auto x) {
    using T = decltype(x);
    return x > 0 ? x * static_cast<T>(scale)
                 : std::expm1(x * static_cast<T>(input_scale)) * static_cast<T>(alpha * scale);
  });
}

Tensor celu(const OperatorCall& call) {
  const double alpha = call.number("alpha");
  return map_floating(call.tensor("self"), [=](auto x) {
    using T = decltype(x);
    return x > 0 ? x : static_cast<T>(alpha) * std::expm1(x / static_cast<T>(alpha));
  });
}

Tensor selu(const OperatorCall& call) {
  constexpr double kAlpha = 1.6732632423543772848170429916717;
  constexpr double kScale = 1.0507009873554804934193349852946;
  return map_floating(call.tensor("self"), [](auto x) {
    using T = decltype(x);
    return x > 0 ? x * static_cast<T>(kScale) : std::expm1(x) * static_cast<T>(kAlpha * kScale);
  });
}

Tensor softplus(const OperatorCall& call) {
  const double beta = call.number("beta");
  const double threshold = call.number("threshold");
  return map_floating(call.tensor("self"), [=](auto x) {
    using T = decltype(x);
    const T scaled = x * static_cast<T>(beta);
    return scaled > static_cast<T>(threshold) ? x : std::log1p(std::exp(scaled)) / static_cast<T>(beta);
  });
}

Tensor gelu(const OperatorCall& call) {
  const std::string& mode = call.string("approximate");
  if (mode == "none") {
    return map_floating(call.tensor("self"), [](auto x) {
      using T = decltype(x);
      return x * T(0.5) * (1 + std::erf(x * static_cast<T>(0.70710678118654752440)));
    });
  }
  if (mode != "tanh") throw Error("unknown approximation '" + mode + "' of gelu");
  return map_floating(call.tensor("self"), [](auto x) {
    using T = decltype(x);
    const T inner = static_cast<T>(0.79788456080286535588) * (x + static_cast<T>(0.044715) * x * x * x);
    return T(0.5) * x * (1 + std::tanh(inner));
  });
}

Tensor threshold(const OperatorCall& call) {
  const double least = call.number("threshold");
  const double value = call.number("value");
  return map_any(call.tensor("self"), [=](auto x) {
    using T = decltype(x);
    return x <= static_cast<T>(least) ? static_cast<T>(value) : x;
  });
}

template <bool kSoft>
Tensor shrink(const OperatorCall& call) {
  const double lambda = call.number("lambd");
  return map_floating(call.tensor("self"), [=](auto x) {
    using T = decltype(x);
    const T least = static_cast<T>(lambda);
    if (kSoft) return x > least ? x - least : (x < -least ? x + least : x * 0);
    return x >= -least && x <= least ? T{0} : x;
  });
}

/// One slope for all, or one for each index of dimension 1.
Tensor prelu(const OperatorCall& call) {
  const Tensor self = call.tensor("self");
  Tensor weight = call.tensor("weight");
  if (weight.numel() > 1) {
    Sizes shape(self.shape().size(), 1);
    if (shape.size() < 2 || self.size(1) != weight.numel()) throw Error("prelu: the weight does not fit dimension 1");
    shape[1] = weight.numel();
    weight = weight.reshaped(shape);
  } else {
    weight = weight.reshaped(Sizes(self.shape().size(), 1));
  }
  return dispatch_floating(self.type(),
                           [&](auto zero) {
                             using T = decltype(zero);
                             return map_elements<T, T>(self.to(scalar_type_of<T>()), weight.to(scalar_type_of<T>()),
                                                       [](T x, T slope) { return x > 0 ? x : x * slope; });
                           })
      .to(self.type());
}

/// First half times sigmoid of the second half of a dimension.
Tensor glu(const OperatorCall& call) {
  const Tensor self = call.tensor("self");
  const int64_t dim = normalize_dim(call.integer("dim"), self.rank());
  const int64_t size = self.size(dim);
  if (size % 2 != 0) throw Error("glu: the dimension must have an even size");
  const Tensor first = slice(self, dim, 0, size / 2, 1);
  const Tensor second = slice(self, dim, size / 2, size, 1);
  return dispatch_floating(self.type(),
                           [&](auto zero) {
                             using T = decltype(zero);
                             return map_elements<T, T>(first.to(scalar_type_of<T>()), second.to(scalar_type_of<T>()),
                                                       [](T x, T gate) { return x * logistic(gate); });
                           })
      .to(self.type());
}

constexpr auto kSilu = [](auto x) { return x / (1 + std::exp(-x)); };
constexpr auto kMish = [](auto x) { return x * std::tanh(std::log1p(std::exp(x))); };
constexpr auto kHardsigmoid = [](auto x) { return limit(x + 3, decltype(x){0}, decltype(x){6}) / 6; };
constexpr auto kHardswish = [](auto x) { return x * limit(x + 3, decltype(x){0}, decltype(x){6}) / 6; };
constexpr auto kSoftsign = [](auto x) { return x / (1 + std::abs(x)); };
constexpr auto kTanhshrink = [](auto x) { return x - std::tanh(x); };
constexpr auto kLogSigmoid = [](auto x) { return (x < 0 ? x : decltype(x){0}) - std::log1p(std::exp(-std::abs(x))); };

constexpr OperatorEntry kOperators[] = {
    {"aten.relu.default", relu},
    {"aten.relu6.default", relu6},
    {"aten.sigmoid.default", sigmoid},
    {"aten.special_expit.default", sigmoid},
    {"aten.tanh.default", tanh},
    {"aten.hardtanh.default", hardtanh},
    {"aten.leaky_relu.default", leaky_relu},
    {"aten.rrelu.default", rrelu},
    {"aten.elu.default", elu},
    {"aten.celu.default", celu},
    {"aten.selu.default", selu},
    {"aten.softplus.default", softplus},
    {"aten.gelu.default", gelu},
    {"aten.threshold.default", threshold},
    {"aten.softshrink.default", shrink<true>},
    {"aten.hardshrink.default", shrink<false>},
    {"aten.prelu.default", prelu},
    {"aten._prelu_kernel.default", prelu},
    {"aten.glu.default", glu},
    {"aten.silu.default", activate<kSilu>},
    {"aten.mish.default", activate<kMish>},
    {"aten.hardsigmoid.default", activate<kHardsigmoid>},
    {"aten.hardswish.default", activate<kHardswish>},
    {"aten.softsign.default", activate<kSoftsign>},
    {"aten.tanhshrink.default", activate<kTanhshrink>},
    {"aten.log_sigmoid.default", activate<kLogSigmoid>},
    {"aten.dropout.default", identity},
    {"aten.feature_dropout.default", identity},
    {"aten.alpha_dropout.default", identity},
    {"aten.feature_alpha_dropout.default", identity},
};

}  // namespace

std::span<const OperatorEntry> activation_operators() { return kOperators; }

}  // namespace tinyml::evaluation
