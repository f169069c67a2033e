#include "train/activation_quantizer.h"

#include <ATen/Functions.h>
#include <ATen/core/grad_mode.h>

#include <limits>
#include <span>

#include "tinyml/calibration.h"

namespace tinyml::train {
namespace {

std::span<float> span_of(const at::Tensor& tensor) {
  return {tensor.mutable_data_ptr<float>(), static_cast<size_t>(tensor.numel())};
}

/// Row-major float32 on the CPU.
at::Tensor on_host(const at::Tensor& tensor) { return tensor.detach().to(at::kCPU, at::kFloat).contiguous(); }

}  // namespace

void ActivationQuantizer::observe(const at::Tensor& values) {
  const at::AutoGradMode no_grad(false);
  if (values.numel() == 0) return;
  at::Tensor x = values.detach().to(at::kFloat);
  if (settings.mask_margin != 0) {
    x = on_host(x);
    const std::vector<float> saturated = saturate_masked(span_of(x), settings.mask_margin);
    if (!saturated.empty()) x = at::tensor(saturated);
    x = x.to(running_min.device());
  }
  if (histogram.defined()) {
    const at::Tensor host = on_host(x);
    const at::Tensor counts = on_host(histogram);
    float low = running_min.item<float>();
    float high = running_max.item<float>();
    observe_histogram(span_of(host), span_of(counts), low, high);
    histogram.copy_(counts);
    running_min.fill_(low);
    running_max.fill_(high);
    return;
  }
  auto [low, high] = at::aminmax(x);
  if (settings.scheme.observer == Observer::kMovingAverage) {
    const at::Tensor seen = at::isfinite(running_min);
    low = at::where(seen, at::lerp(running_min, low, settings.scheme.momentum), low);
    high = at::where(seen, at::lerp(running_max, high, settings.scheme.momentum), high);
  } else {
    low = at::minimum(running_min, low);
    high = at::maximum(running_max, high);
  }
  running_min.copy_(low);
  running_max.copy_(high);
}

bool ActivationQuantizer::has_observed() const { return at::isfinite(running_min + running_max).item<bool>(); }

void ActivationQuantizer::update_scale() {
  if (!has_observed()) return;
  const at::AutoGradMode no_grad(false);
  const at::Tensor counts = histogram.defined() ? on_host(histogram) : at::zeros({0});
  const auto [low, high] =
      choose_range(span_of(counts), running_min.item<float>(), running_max.item<float>(), settings.scheme);
  const ScaleZeroPoint chosen = choose_scale(low, high, settings.scheme);
  scale.fill_(chosen.scale);
  zero_point.fill_(chosen.zero_point);
}

void ActivationQuantizer::reset() {
  const at::AutoGradMode no_grad(false);
  running_min.fill_(std::numeric_limits<float>::infinity());
  running_max.fill_(-std::numeric_limits<float>::infinity());
  if (histogram.defined()) histogram.zero_();
}

at::Tensor ActivationQuantizer::observe_and_round(const at::Tensor& values, bool rounding) {
  const TensorScheme& scheme = settings.scheme;
  if (values.is_cpu() || scheme.observer != Observer::kMovingAverage || scheme.symmetric || settings.mask_margin != 0) {
    return {};
  }
  const at::Tensor on = at::ones({1}, values.options().dtype(at::kLong));
  return at::fused_moving_avg_obs_fake_quant(values, on, rounding ? on : at::zeros_like(on), running_min, running_max,
                                             scale, zero_point, scheme.momentum, scheme.quant_min, scheme.quant_max, -1,
                                             false, false);
}

}  // namespace tinyml::train
