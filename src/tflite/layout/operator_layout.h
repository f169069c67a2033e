// Which dimension orders an operator can run in.
#pragma once

#include <optional>
#include <vector>

#include "tflite/layout/order.h"
#include "tflite/uses.h"

namespace tinyml::tflite {

/// One way to run an operator: the order of every input and output. An empty order: that operand has none to speak of
/// (absent, a vector, an attribute).
struct LayoutConfig {
  std::vector<Order> inputs, outputs;
  /// RESHAPE before FULLY_CONNECTED only: the flattened axes in the sequence in which they are stored, when that is not
  /// the logical one and the weights' columns must follow.
  Order columns;

  bool operator==(const LayoutConfig&) const = default;
};

/// An operator whose operands all share the axes of one frame (its operand of the highest rank) and that runs in any
/// order of them: axis k of an operand is axis axes[k] of the frame.
struct AxisFrame {
  int rank = 0;
  std::vector<std::optional<std::vector<int>>> inputs, outputs;  ///< nullopt: the operand takes no part.
  bool last_axis_stays = false;  ///< The frame's last axis must be stored last (SOFTMAX, FULLY_CONNECTED).
};

/// The frame of an operator, or nullopt when it has fixed orders.
std::optional<AxisFrame> axis_frame(const Subgraph& subgraph, const Operator& op);

/// Answers what an operator of the subgraph can run in. Both references must outlive it.
class OperatorLayouts {
 public:
  OperatorLayouts(const Subgraph& subgraph, const Uses& uses);

  /// The configurations the operator asks for by itself: all it has when it is pinned, none for those that follow.
  std::vector<LayoutConfig> own_configs(int op) const;
  /// Everything in logical order: valid for every operator that is not `channels_first`.
  LayoutConfig identity_config(int op) const;
  /// The configuration in which input (or output) `slot` has that order; nullopt when there is none.
  std::optional<LayoutConfig> follow(int op, bool is_input, size_t slot, const Order& order) const;

 private:
  std::optional<LayoutConfig> follow_reshape(int op, bool is_input, const Order& order) const;
  std::optional<Order> flattened_columns(int op, const Order& order) const;

  const Subgraph& subgraph_;
  const Uses& uses_;
  std::vector<std::optional<AxisFrame>> frames_;
};

/// The constant behind the weights of a FULLY_CONNECTED that reads nothing but `reshape`'s output: the operator input
/// (as operator index and input number) that holds it; nullopt when there is no such constant or someone else sees the
/// chain.
std::optional<Use> flattened_weights(const Subgraph& subgraph, const Uses& uses, int reshape);

}  // namespace tinyml::tflite
