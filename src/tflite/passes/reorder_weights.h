// Permuting the channels (last dimension) of values by permuting the constants of the operators around them. An order
// says which channel goes where: new channel p is old channel order[p].
#pragma once

#include "tflite/layout/order.h"
#include "tflite/passes/editor.h"

namespace tinyml::tflite {

/// The order with every channel replaced by `width` neighbours, as an operator makes of each.
Order widened(const Order& order, int width);

/// The constant with the indices of one axis reordered, scales per channel along.
Tensor reordered(const Tensor& constant, size_t axis, const Order& order);

/// Whether the operator's weights decide the order of its output's channels: CONV_2D of one group, FULLY_CONNECTED,
/// TRANSPOSE_CONV with constant weights and bias.
bool can_reorder_outputs(const Editor& editor, int op);
void reorder_outputs(Editor& editor, int op, const Order& order);

/// Whether the operator takes the channels of its input in any order, given other weights: the same operators.
bool can_reorder_inputs(const Editor& editor, int op, int slot);
void reorder_inputs(Editor& editor, int op, const Order& order);

/// Whether each channel of the output depends on the same channel of the input alone: then it works in any order, and
/// its output has that order too. DEPTHWISE_CONV_2D, pooling, resizing, unary operators, arithmetic with constants.
bool is_channelwise(const Editor& editor, int op, int slot);
void reorder_channels(Editor& editor, int op, int slot, const Order& order);

/// Output channels for each input channel: the depth multiplier of DEPTHWISE_CONV_2D, else 1.
int channel_multiplier(const Editor& editor, int op);

}  // namespace tinyml::tflite
