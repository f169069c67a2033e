// What each operator asks of the scales around it.
#pragma once

#include <string_view>

#include "tinyml/graph.h"
#include "tinyml/quantize.h"

namespace tinyml::quantization {

enum class Tie : uint8_t {
  kLayer,    ///< Convolution, linear: the result has a scale of its own; the second argument is a weight.
  kCompute,  ///< The result has a scale of its own.
  kFixed,    ///< The result has a scale that the target prescribes.
  kMove,     ///< The same numbers elsewhere: results have the input's scale.
  kRound,    ///< Results have the input's scale and are rounded to it.
  kConcat,   ///< The inputs, a list, share the result's scale.
  kLookup,   ///< Rows of a table: rounded as the result is, where integers alone read it, else each by its own scale.
  kFloat,    ///< No integer form.
};

struct TieRule {
  Tie tie = Tie::kFloat;
  int data_args = 1;               ///< The first so many arguments carry data.
  bool fuses_activation = false;   ///< A ReLU that alone reads the result becomes part of the operator.
  bool ends_float_stream = false;  ///< Float by default, and what is computed for it alone.
  ScaleZeroPoint fixed = {};       ///< kFixed, for int8.
  const char* reason = nullptr;    ///< kFloat, ends_float_stream: why.
};

/// The rule of what stays float.
TieRule stays_float(const char* reason);

/// The rule of an operator, or nullptr when there is none.
const TieRule* find_tie_rule(std::string_view op);

/// The rule for this node: as find_tie_rule, refined by its arguments and types. Unknown operators give kFloat.
TieRule tie_rule(const Graph& graph, const Node& node);

/// The dimension of a layer's weight that holds the output channels, -1 when none does alone.
int64_t channel_axis(const Graph& graph, const Node& layer);

/// Whether the node is an activation that integer operators apply for free: ReLU, ReLU6, clamp(-1, 1).
bool is_fusable_activation(const Node& node);

}  // namespace tinyml::quantization
