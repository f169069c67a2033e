// Affine maps per channel, and the operators with weights that can take them in.
#pragma once

#include <optional>
#include <vector>

#include "tflite/passes/editor.h"

namespace tinyml::tflite {

/// y = x * scale + shift, one value for each of the last dimension's channels.
struct Affine {
  std::vector<float> scale, shift;
};

/// The constant as one value a channel of the last dimension; nullopt when it varies along another axis or is no
/// float.
std::optional<std::vector<float>> per_channel(const Tensor& constant, size_t channels);

/// MUL, DIV, ADD or SUB of `x` and a constant as an affine map of x; the fused activation is left aside.
std::optional<Affine> affine_of(const Editor& editor, const Operator& op, int x, size_t channels);

/// Where the weights' output channels are in physical form; -1 for operators without weights.
int output_channel_axis(Op op);

/// The input that holds the bias of such an operator.
size_t bias_slot_of(Op op);

/// The bias, zeros when there is none; nullopt when it is no constant.
std::optional<std::vector<float>> bias_of(const Editor& editor, const Operator& op, size_t channels);

/// Gives an operator new weights and a new bias, as tensors of their own.
void replace_weights(Editor& editor, int op, std::vector<float> weights, std::vector<float> bias);

}  // namespace tinyml::tflite
