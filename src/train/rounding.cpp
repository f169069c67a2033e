#include "train/rounding.h"

#include <ATen/Functions.h>
#include <torch/csrc/autograd/custom_function.h>

namespace tinyml::train {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// Rounds to multiples of scale, from low to high times.
struct Round : torch::autograd::Function<Round> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& scale, double low,
                            double high) {
    // A layer that is called again changes its scale before the gradients of this call are computed.
    context->save_for_backward({x, scale.clone()});
    context->saved_data["low"] = low;
    context->saved_data["high"] = high;
    return (x * scale.reciprocal()).round_().clamp_(low, high).mul_(scale);
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const bool one = saved[1].numel() == 1;  // Then a pass over activations can be saved.
    const double unit = one ? saved[1].item<double>() : 1.0;
    const double low = (context->saved_data["low"].toDouble() - 0.5) * unit;
    const double high = (context->saved_data["high"].toDouble() + 0.5) * unit;
    return {
        at::hardtanh_backward(gradients[0], one ? saved[0] : saved[0] * saved[1].reciprocal(), low, high), {}, {}, {}};
  }
};

}  // namespace

at::Tensor fake_quantize(const at::Tensor& x, const at::Tensor& scale, const at::Tensor& zero_point,
                         RoundingLimits limits, std::optional<int64_t> axis) {
  if (x.is_cpu() && (x.scalar_type() == at::kBFloat16 || x.scalar_type() == at::kHalf)) {  // under autocast
    return fake_quantize(x.to(at::kFloat), scale, zero_point, limits, axis).to(x.scalar_type());
  }
  if (!x.is_cpu() || x.scalar_type() != at::kFloat) {
    return axis ? at::fake_quantize_per_channel_affine(x, scale, zero_point, *axis, limits.quant_min, limits.quant_max)
                : at::fake_quantize_per_tensor_affine(x, scale, zero_point, limits.quant_min, limits.quant_max);
  }
  int64_t offset = 0;
  at::Tensor steps = scale;
  if (axis) {
    std::vector<int64_t> shape(static_cast<size_t>(x.dim()), 1);
    shape[static_cast<size_t>(*axis)] = -1;
    steps = scale.reshape(shape);
  } else {
    offset = zero_point.item<int64_t>();
  }
  return Round::apply(x, steps, static_cast<double>(limits.quant_min - offset),
                      static_cast<double>(limits.quant_max - offset));
}

}  // namespace tinyml::train
