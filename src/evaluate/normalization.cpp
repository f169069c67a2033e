// Batch, layer, group, instance and RMS normalisation, in inference mode.
#include <cmath>

#include "evaluate/dispatch.h"
#include "evaluate/registry.h"
#include "evaluate/view.h"

namespace tinyml::evaluation {
namespace {

/// Optional tensor of one element a channel, in type T; `fill` where it is None.
template <typename T>
std::vector<T> channel_values(const Tensor& tensor, int64_t channels, T fill) {
  if (!tensor.defined()) return std::vector<T>(static_cast<size_t>(channels), fill);
  if (tensor.numel() != channels) throw Error("a weight or statistic does not fit the channels");
  const Tensor converted = tensor.to(scalar_type_of<T>());
  const auto values = converted.data<T>();
  return {values.begin(), values.end()};
}

struct Moments {
  double mean;
  double variance;
};

template <typename T>
Moments moments(const T* values, int64_t count) {
  double mean = 0;
  for (int64_t i = 0; i < count; ++i) mean += static_cast<double>(values[i]);
  mean /= static_cast<double>(count);
  double variance = 0;
  for (int64_t i = 0; i < count; ++i) variance += std::pow(static_cast<double>(values[i]) - mean, 2);
  return {mean, variance / static_cast<double>(count)};
}

/// Per-channel affine map of [N, C, ...]; the statistics are those of the channel, or of the data where there are none.
template <typename T>
Tensor normalize_channels(const Tensor& input, const Tensor& weight, const Tensor& bias, const Tensor& mean,
                          const Tensor& variance, double eps) {
  const int64_t batch = input.size(0);
  const int64_t channels = input.size(1);
  const int64_t pixels = product(std::span(input.shape()).subspan(2));
  const auto scale = channel_values<T>(weight, channels, T{1});
  const auto shift = channel_values<T>(bias, channels, T{0});
  auto means = channel_values<T>(mean, channels, T{0});
  auto variances = channel_values<T>(variance, channels, T{1});
  Tensor result(scalar_type_of<T>(), input.shape());
  const T* in = input.data<T>().data();
  T* out = result.mutable_data<T>();
  for (int64_t c = 0; c < channels; ++c) {
    const auto at = static_cast<size_t>(c);
    if (!mean.defined()) {
      const Tensor plane = select(input, 1, c).contiguous();
      const Moments own = moments(plane.data<T>().data(), plane.numel());
      means[at] = static_cast<T>(own.mean);
      variances[at] = static_cast<T>(own.variance);
    }
    const T factor = scale[at] / std::sqrt(variances[at] + static_cast<T>(eps));
    for (int64_t n = 0; n < batch; ++n) {
      const int64_t start = (n * channels + c) * pixels;
      for (int64_t i = start; i < start + pixels; ++i) out[i] = (in[i] - means[at]) * factor + shift[at];
    }
  }
  return result;
}

Tensor batch_norm(const OperatorCall& call) {
  const Tensor input = call.tensor("input");
  if (input.rank() < 2) throw Error("batch norm needs a batch and a channel dimension");
  return dispatch_floating(input.type(),
                           [&](auto zero) {
                             using T = decltype(zero);
                             return normalize_channels<T>(input.to(scalar_type_of<T>()), call.optional_tensor("weight"),
                                                          call.optional_tensor("bias"),
                                                          call.optional_tensor("running_mean"),
                                                          call.optional_tensor("running_var"), call.number("eps"));
                           })
      .to(input.type());
}

/// Each run of `count` consecutive elements to mean 0 and variance 1, in place of the input.
template <typename T>
Tensor standardize(const Tensor& input, int64_t count, double eps) {
  Tensor result(scalar_type_of<T>(), input.shape());
  const T* in = input.data<T>().data();
  T* out = result.mutable_data<T>();
  for (int64_t start = 0; start < input.numel(); start += count) {
    const Moments own = moments(in + start, count);
    const double factor = 1 / std::sqrt(own.variance + eps);
    for (int64_t i = start; i < start + count; ++i) {
      out[i] = static_cast<T>((static_cast<double>(in[i]) - own.mean) * factor);
    }
  }
  return result;
}

/// tensor * weight + bias, each broadcast and optional.
template <typename T>
Tensor scale_and_shift(Tensor tensor, const Tensor& weight, const Tensor& bias, const Sizes& shape) {
  constexpr ScalarType kCompute = scalar_type_of<T>();
  if (weight.defined()) {
    tensor = map_elements<T, T>(tensor, reshape(weight.to(kCompute), shape), [](T x, T y) { return x * y; });
  }
  if (bias.defined()) {
    tensor = map_elements<T, T>(tensor, reshape(bias.to(kCompute), shape), [](T x, T y) { return x + y; });
  }
  return tensor;
}

Sizes channel_shape(const Tensor& input) {
  Sizes shape(input.shape().size(), 1);
  shape[1] = input.size(1);
  return shape;
}

Tensor layer_norm(const OperatorCall& call) {
  const Tensor input = call.tensor("input");
  const Sizes normalized = call.integers("normalized_shape");
  if (normalized.empty() || normalized.size() > input.shape().size() ||
      !std::equal(normalized.rbegin(), normalized.rend(), input.shape().rbegin())) {
    throw Error("layer norm: normalized_shape does not fit the input");
  }
  return dispatch_floating(input.type(),
                           [&](auto zero) {
                             using T = decltype(zero);
                             const Tensor result =
                                 standardize<T>(input.to(scalar_type_of<T>()), product(normalized), call.number("eps"));
                             return scale_and_shift<T>(result, call.optional_tensor("weight"),
                                                       call.optional_tensor("bias"), normalized);
                           })
      .to(input.type());
}

Tensor group_norm(const OperatorCall& call) {
  const Tensor input = call.tensor("input");
  const int64_t groups = call.integer(call.node().has_arg("group") ? "group" : "num_groups");
  if (input.rank() < 2 || groups <= 0 || input.size(1) % groups != 0) throw Error("group norm: groups do not fit");
  const int64_t count = input.size(1) / groups * product(std::span(input.shape()).subspan(2));
  return dispatch_floating(input.type(),
                           [&](auto zero) {
                             using T = decltype(zero);
                             const Tensor result =
                                 standardize<T>(input.to(scalar_type_of<T>()), count, call.number("eps"));
                             return scale_and_shift<T>(result, call.optional_tensor("weight"),
                                                       call.optional_tensor("bias"), channel_shape(input));
                           })
      .to(input.type());
}

/// The saved statistics of the decomposed forms are for the backward pass: empty here.
std::vector<Tensor> with_empty_statistics(const OperatorCall& call, Tensor result) {
  std::vector<Tensor> results{std::move(result)};
  while (results.size() < call.output_count()) results.emplace_back(results[0].type(), Sizes{0});
  return results;
}

std::vector<Tensor> native_batch_norm(const OperatorCall& call) {
  return with_empty_statistics(call, batch_norm(call));
}

std::vector<Tensor> native_layer_norm(const OperatorCall& call) {
  return with_empty_statistics(call, layer_norm(call));
}

std::vector<Tensor> native_group_norm(const OperatorCall& call) {
  return with_empty_statistics(call, group_norm(call));
}

Tensor instance_norm(const OperatorCall& call) {
  if (!call.boolean("use_input_stats")) return batch_norm(call);
  const Tensor input = call.tensor("input");
  if (input.rank() < 3) throw Error("instance norm needs spatial dimensions");
  const int64_t count = product(std::span(input.shape()).subspan(2));
  return dispatch_floating(input.type(),
                           [&](auto zero) {
                             using T = decltype(zero);
                             const Tensor result =
                                 standardize<T>(input.to(scalar_type_of<T>()), count, call.number("eps"));
                             return scale_and_shift<T>(result, call.optional_tensor("weight"),
                                                       call.optional_tensor("bias"), channel_shape(input));
                           })
      .to(input.type());
}

Tensor rms_norm(const OperatorCall& call) {
  const Tensor input = call.tensor("input");
  const Sizes normalized = call.integers("normalized_shape");
  const int64_t count = product(normalized);
  if (count == 0 || input.numel() % count != 0) throw Error("rms norm: normalized_shape does not fit the input");
  return dispatch_floating(input.type(),
                           [&](auto zero) {
                             using T = decltype(zero);
                             Tensor result = input.to(scalar_type_of<T>());
                             const double eps = call.optional_number("eps").value_or(
                                 static_cast<double>(std::numeric_limits<T>::epsilon()));
                             T* values = result.mutable_data<T>();
                             for (int64_t start = 0; start < result.numel(); start += count) {
                               double squares = 0;
                               for (int64_t i = start; i < start + count; ++i)
                                 squares += std::pow(static_cast<double>(values[i]), 2);
                               const double factor = 1 / std::sqrt(squares / static_cast<double>(count) + eps);
                               for (int64_t i = start; i < start + count; ++i)
                                 values[i] = static_cast<T>(static_cast<double>(values[i]) * factor);
                             }
                             return scale_and_shift<T>(result, call.optional_tensor("weight"), Tensor(), normalized);
                           })
      .to(input.type());
}

/// The reciprocal of the root mean square is for the backward pass: empty here.
std::vector<Tensor> fused_rms_norm(const OperatorCall& call) { return with_empty_statistics(call, rms_norm(call)); }

constexpr OperatorEntry kOperators[] = {
    {"aten.batch_norm.default", batch_norm},
    {"aten.native_batch_norm.default", native_batch_norm},
    {"aten._native_batch_norm_legit_no_training.default", native_batch_norm},
    {"aten.layer_norm.default", layer_norm},
    {"aten.native_layer_norm.default", native_layer_norm},
    {"aten.native_group_norm.default", native_group_norm},
    {"aten.group_norm.default", group_norm},
    {"aten.instance_norm.default", instance_norm},
    {"aten.rms_norm.default", rms_norm},
    {"aten._fused_rms_norm.default", fused_rms_norm},
};

}  // namespace

std::span<const OperatorEntry> normalization_operators() { return kOperators; }

}  // namespace tinyml::evaluation
