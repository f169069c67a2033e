#pragma once

#include "tinyml/tflite.h"

namespace tinyml::tflite {

/// Whether the operator does something besides computing its outputs, or may do so as far as is known here: it must
/// stay even when nobody reads them.
bool has_effects(const Subgraph& subgraph, const Operator& op);

/// Whether two of them on the same inputs give the same outputs, always: not random, not stateful, of known meaning.
bool is_repeatable(const Subgraph& subgraph, const Operator& op);

/// Whether the operator computes every element of its output from the element of its one operand at the same place.
bool is_unary_elementwise(Op op);

/// ADD, SUB, MUL, DIV, MAXIMUM and MINIMUM: of two operands that broadcast.
bool is_arithmetic(Op op);

/// Whether an operand or a result is a tensor that no pass may touch (see Tensor::opaque) or that has no elements of
/// fixed size: the operator stays exactly where and as it is.
bool touches_opaque(const Subgraph& subgraph, const Operator& op);

/// Whether a RESHAPE, SQUEEZE or EXPAND_DIMS says nothing beyond what its output's tensor says: of the sizes at most
/// one is left to the runtime, and none is computed. Such an operator needs its first input only.
bool is_reshape_by_output(const Subgraph& subgraph, const Operator& op);

}  // namespace tinyml::tflite
