// conv1d/2d/3d, conv_transpose1d/2d/3d and convolution, brought to three spatial dimensions.
#include <fmt/format.h>

#include "evaluate/convolution.h"
#include "evaluate/dispatch.h"
#include "evaluate/registry.h"
#include "evaluate/spatial.h"
#include "evaluate/view.h"

namespace tinyml::evaluation {
namespace {

/// [N, C, ...] or [C, ...] with `rank` spatial dimensions as [N, C, D, H, W].
Tensor with_three_dims(const Tensor& tensor, int64_t rank, bool batched) {
  Sizes shape = tensor.shape();
  if (!batched) shape.insert(shape.begin(), 1);
  shape.insert(shape.begin() + 2, static_cast<size_t>(3 - rank), 1);
  return tensor.reshaped(shape);
}

Tensor without_added_dims(const Tensor& tensor, int64_t rank, bool batched) {
  Sizes shape = tensor.shape();
  shape.erase(shape.begin() + 2, shape.begin() + 2 + (3 - rank));
  if (!batched) shape.erase(shape.begin());
  return tensor.reshaped(shape);
}

void set_padding(const OperatorCall& call, size_t rank, Window& window) {
  if (!call.node().arg("padding").is_string()) {
    window.before = window.after = to_triple(call.integers("padding", rank), 0);
    return;
  }
  const std::string& mode = call.string("padding");
  if (mode == "valid") return;
  if (mode != "same") throw Error("unknown padding '" + mode + "'");
  for (size_t i = 0; i < 3; ++i) {
    const int64_t total = window.dilation[i] * (window.kernel[i] - 1);
    window.before[i] = total / 2;
    window.after[i] = total - total / 2;
  }
}

Tensor run(const OperatorCall& call, bool transposed) {
  const Tensor input = call.tensor("input");
  const Tensor weight = call.tensor("weight");
  const Tensor bias = call.optional_tensor("bias");
  const int64_t rank = weight.rank() - 2;
  if (rank < 1 || rank > 3 || (input.rank() != rank + 2 && input.rank() != rank + 1)) {
    throw Error(fmt::format("an input of rank {} and a weight of rank {} do not fit", input.rank(), weight.rank()));
  }
  const bool batched = input.rank() == rank + 2;
  const auto spatial = static_cast<size_t>(rank);
  const int64_t groups = call.integer("groups");
  Window window;
  window.kernel = to_triple(Sizes(weight.shape().begin() + 2, weight.shape().end()), 1);
  window.stride = to_triple(call.integers("stride", spatial), 1);
  window.dilation = to_triple(call.integers("dilation", spatial), 1);
  set_padding(call, spatial, window);
  for (size_t i = 0; i < 3; ++i) {
    if (window.stride[i] <= 0 || window.dilation[i] <= 0) throw Error("stride and dilation must be positive");
  }
  if (groups <= 0) throw Error("the number of groups must be positive");
  const Tensor x = with_three_dims(input, rank, batched);
  const Tensor w = with_three_dims(weight, rank, true);
  Window::Triple output{1, 1, 1};
  if (transposed) {
    const Window::Triple extra = to_triple(call.integers("output_padding", spatial), 0);
    for (size_t i = 0; i < 3; ++i) {
      output[i] = (x.size(static_cast<int64_t>(i) + 2) - 1) * window.stride[i] - window.before[i] - window.after[i] +
                  window.dilation[i] * (window.kernel[i] - 1) + extra[i] + 1;
    }
  }
  const Tensor result = dispatch_floating(input.type(), [&](auto zero) {
    using T = decltype(zero);
    constexpr ScalarType kCompute = scalar_type_of<T>();
    const Tensor b = bias.defined() ? bias.to(kCompute) : Tensor();
    return transposed ? convolve_transposed<T>(x.to(kCompute), w.to(kCompute), b, window, groups, output)
                      : convolve<T>(x.to(kCompute), w.to(kCompute), b, window, groups);
  });
  return without_added_dims(result.to(input.type()), rank, batched);
}

Tensor convolution(const OperatorCall& call) { return run(call, false); }
Tensor transposed_convolution(const OperatorCall& call) { return run(call, true); }
Tensor general_convolution(const OperatorCall& call) { return run(call, call.boolean("transposed")); }

/// Input [T, N, C], weight [taps, C, O], output [T', N, O].
Tensor conv_tbc(const OperatorCall& call) {
  const Tensor self = call.tensor("self");
  const Tensor weight = call.tensor("weight");
  if (self.rank() != 3 || weight.rank() != 3) throw Error("conv_tbc: three dimensions are expected");
  const Sizes input_order{1, 2, 0};
  const Sizes weight_order{2, 1, 0};
  const Tensor x = with_three_dims(self.permuted(input_order), 1, true);
  const Tensor w = with_three_dims(weight.permuted(weight_order), 1, true);
  Window window;
  window.kernel[2] = weight.size(0);
  window.before[2] = window.after[2] = call.integer("pad");
  const Tensor result = dispatch_floating(self.type(), [&](auto zero) {
    constexpr ScalarType kCompute = scalar_type_of<decltype(zero)>();
    return convolve<decltype(zero)>(x.to(kCompute), w.to(kCompute), call.tensor("bias").to(kCompute), window, 1);
  });
  const Sizes order{2, 0, 1};
  return without_added_dims(result.to(self.type()), 1, true).permuted(order);
}

constexpr OperatorEntry kOperators[] = {
    {"aten.conv1d.default", convolution},
    {"aten.conv1d.padding", convolution},
    {"aten.conv2d.default", convolution},
    {"aten.conv2d.padding", convolution},
    {"aten.conv3d.default", convolution},
    {"aten.conv3d.padding", convolution},
    {"aten.conv_transpose1d.default", transposed_convolution},
    {"aten.conv_transpose2d.input", transposed_convolution},
    {"aten.conv_transpose3d.input", transposed_convolution},
    {"aten.conv_tbc.default", conv_tbc},
    {"aten.convolution.default", general_convolution},
    {"aten._convolution.default", general_convolution},
};

}  // namespace

std::span<const OperatorEntry> convolution_operators() { return kOperators; }

}  // namespace tinyml::evaluation
