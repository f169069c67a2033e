// The steps of fold_quantization. A *quantized value* is a float tensor made by DEQUANTIZE of an INT8 or INT16 tensor
// with one scale; a *quantized result* is a float tensor that nobody but QUANTIZE operators with one common integer
// type and scale reads.
#pragma once

#include "tflite/passes/editor.h"
#include "tinyml/tflite_passes.h"

namespace tinyml::tflite {

/// The INT8 weight that stands for a factor of its own channel: a power of two, so that 64 * scale is the factor
/// exactly and what is halfway between two integers (a mean of four) stays so. round_biases() reckons with it.
inline constexpr float kExactSteps = 64.0F;

/// The integer tensor behind a quantized value; kNoTensor when `id` is none. Constants count where `constants` says so.
int quantized_source(const Editor& editor, int id, bool constants);

/// The integer tensor that a quantized result becomes (the first QUANTIZE's output); kNoTensor when `id` is none.
int quantized_result(const Editor& editor, int id);

/// Makes all QUANTIZE operators on `id` disappear: their readers read `replacement`, which has their type
/// and gets the first one's name: that of the quantized value.
void absorb_quantize(Editor& editor, int id, int replacement);

/// QUANTIZE of DEQUANTIZE: nothing where the scales agree, one QUANTIZE between integers where they differ. RELU and
/// RELU6 in front of a QUANTIZE that saturates at the same bounds go.
int merge_requantization(Subgraph& subgraph);

/// DEQUANTIZE moves behind, QUANTIZE in front of operators that only move values; several inputs take the output's
/// scale.
int move_quantization(Subgraph& subgraph, Target target);

/// DEQUANTIZE -> operator -> QUANTIZE becomes the integer operator.
int quantize_operators(Subgraph& subgraph, Target target);

/// A DEQUANTIZE of its own for each island of float operators, so that each can run as a table.
int split_islands(Subgraph& subgraph);

}  // namespace tinyml::tflite
