// How each operator runs best on 8-bit values.
#pragma once

#include "tinyml/tflite.h"
#include "tinyml/tflite_passes.h"

namespace tinyml::tflite {

enum class QuantizedForm {
  kMovement,    ///< Moves or selects values: exact in INT8 with the input's scale, whatever it is.
  kGathering,   ///< The same for several inputs, which all take the output's scale (CONCATENATION, PACK).
  kArithmetic,  ///< INT8 kernel with a scale of its own for every operand.
  kSameScale,   ///< INT8 kernel that rounds and needs the output's scale to equal the input's; see runs_islands.
  kFixedScale,  ///< INT8 kernel with a prescribed output scale; see runs_islands.
  kIsland,      ///< Float between DEQUANTIZE and QUANTIZE.
};

struct FixedScale {
  float scale;
  int zero_point;
};

/// The form for the target; kIsland for operators that the table does not name.
QuantizedForm quantized_form(Target target, Op op);

/// The same for values of that integer type, INT8 or INT16; kIsland where the target has no kernel for it.
QuantizedForm quantized_form(Target target, Op op, Type type);

/// Whether float operators between DEQUANTIZE and QUANTIZE are a form that the target runs well. Where not, an INT8
/// kernel with the wrong scale is followed by a QUANTIZE, and constants beside INT8 values get scales of their own.
inline bool runs_islands(Target target) { return target == Target::kLitert || target == Target::kLitertBuiltin; }

/// The output scale that a kFixedScale operator prescribes.
FixedScale fixed_output_scale(Op op, Type type = Type::INT8);

}  // namespace tinyml::tflite
