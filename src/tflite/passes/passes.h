// The passes over one subgraph in physical form. Each returns how many places it changed and leaves a valid subgraph.
#pragma once

#include "tinyml/tflite.h"

namespace tinyml::tflite {

/// Removes operators whose results nobody reads.
int remove_dead_code(Subgraph& subgraph);

/// Outputs of IF that nobody reads go, in both branches as well, unless a branch has another caller. At least one
/// stays.
int drop_branch_outputs(Model& model);

/// Drops tensors that nothing refers to and renumbers the rest, signatures included.
void drop_unused_tensors(Model& model);

/// Evaluates operators all of whose inputs are constants: TRANSPOSE, RESHAPE, QUANTIZE, CAST, element-wise arithmetic,
/// comparisons, logic, SELECT, reductions, CUMSUM, what only moves elements (evaluate_movement.h), and DEQUANTIZE where
/// `dequantize` says so (weights keep theirs until fold_quantization has seen them).
int fold_constants(Subgraph& subgraph, bool dequantize);

/// One tensor for constants of equal type, shape, quantization and contents.
int share_constants(Subgraph& subgraph);

/// Removes operators that return their input: RESHAPE to the same shape, TRANSPOSE by the identity, PAD by nothing,
/// SLICE of everything, CAST to the same type, CONCATENATION of one, ADD of 0, MUL by 1, SELECT by a constant. A
/// TRANSPOSE that only moves axes of size 1 becomes a RESHAPE.
int remove_identities(Subgraph& subgraph);

/// RESHAPE of RESHAPE, TRANSPOSE of TRANSPOSE, PAD of PAD, GATHER of GATHER, BROADCAST_TO of BROADCAST_TO, CAST of a
/// CAST that loses nothing: one operator. REVERSE_V2 twice along the same axes: none.
int merge_chains(Subgraph& subgraph);

/// Between two RESHAPEs, operators element by element with constants, and SOFTMAX along a last axis that stays, work in
/// the shape before the first or behind the last: one RESHAPE remains, or none. Constants are laid out anew.
int merge_reshape_pairs(Subgraph& subgraph);

/// A chain of RESHAPEs and TRANSPOSEs of static shapes does its work with one TRANSPOSE at most, of the fewest
/// dimensions. `as_shuffles`: one that only permutes the indices of an axis becomes a GATHER, which
/// carry_channel_orders knows.
int merge_rearrangements(Subgraph& subgraph, bool as_shuffles);

/// Channel shuffles by way of the weights around them: convolutions and linear layers read the selected channels as
/// CONCATENATION of SLICEs in whatever order costs least, with their weights permuted; producers store what is read
/// together next to each other. Regions of GATHER, SLICE, SPLIT and CONCATENATION along the last dimension are
/// rewritten where that copies less.
int carry_channel_orders(Subgraph& subgraph);

/// GATHER by a permutation that swaps two factors of the axis: RESHAPE, TRANSPOSE, RESHAPE, which is faster.
int expand_shuffles(Subgraph& subgraph);

/// One operator for equal operators on equal inputs.
int merge_common_subexpressions(Subgraph& subgraph);

/// MUL, DIV, ADD, SUB by a constant per channel, and NEG, after CONV_2D, DEPTHWISE_CONV_2D, TRANSPOSE_CONV or
/// FULLY_CONNECTED with float constants goes into the weights and the bias (batch normalisation).
int fold_affine(Subgraph& subgraph);

/// The same in front: into the weights of the CONV_2D, DEPTHWISE_CONV_2D, TRANSPOSE_CONV or FULLY_CONNECTED that alone
/// reads the result. Both pass a RESHAPE that keeps the channels; a factor passes a PAD, a summand does not, nor
/// padding SAME. Positive factors pass RELU, LEAKY_RELU and MAX_POOL_2D.
int fold_input_affine(Subgraph& subgraph);

/// (x * a) * b, (x + a) - b, ...: one operator by one constant.
int merge_arithmetic(Subgraph& subgraph);

/// RELU, RELU6, RELU_N1_TO_1, MAXIMUM and MINIMUM by one number, in a row or alone: one of the first three where that
/// is the same, and none that the next one makes needless.
int merge_clamps(Subgraph& subgraph);

/// x / SQRT(y): x * RSQRT(y), which is faster.
int form_reciprocal_roots(Subgraph& subgraph);

/// MEAN of MEAN, SUM of SUM, maximum of maximum: one over all axes.
int merge_reductions(Subgraph& subgraph);

/// STRIDED_SLICE by steps of 1 that keeps all axes is SLICE, GATHER of indices in equal steps SLICE or STRIDED_SLICE;
/// UNPACK of which at most half of the results are read is SLICE and RESHAPE. Not of integers, which may be sizes.
int normalize_selections(Subgraph& subgraph);

/// SLICE of SLICE, of SPLIT, and of a CONCATENATION's part; SPLIT of which one result or at most half are read, or of
/// what has just been joined; CONCATENATION of CONCATENATION, and of slices that lie side by side.
int merge_selections(Subgraph& subgraph);

/// Two to four SLICEs that are all of a tensor in equal parts, where nothing else is sliced from it, are one SPLIT.
int join_slices(Subgraph& subgraph);

/// A CONCATENATION of which nothing but SLICEs and SPLITs is read goes where putting each of these together from the
/// inputs writes fewer bytes.
int dissolve_concatenations(Subgraph& subgraph);

/// BROADCAST_TO and TILE in front of an operator that broadcasts by itself go.
int drop_broadcasts(Subgraph& subgraph);

/// Copies values that LiteRT's own kernels would overwrite too early: see the source.
int protect_shared_memory(Subgraph& subgraph);

/// MUL and ADD by constants per channel that stand alone become a 1x1 DEPTHWISE_CONV_2D; on a quantized value one whose
/// weights are INT8, which hold one factor a channel exactly.
int form_depthwise_affine(Subgraph& subgraph);

/// RELU, RELU6, RELU_N1_TO_1 into the operator before, where that has fused activations; through what only moves
/// values, and through CONCATENATION into all that make its parts.
int fuse_activations(Subgraph& subgraph);

/// AVERAGE_POOL_2D over all of its input becomes MEAN, which has INT8 kernels with a scale of its own.
int form_global_mean(Subgraph& subgraph);

/// PADV2 by zero becomes PAD. PAD (PADV2 by the lowest value) into padding SAME of the convolution or max pooling
/// behind it where that is equal; SLICE after TRANSPOSE_CONV likewise.
int fuse_padding(Subgraph& subgraph);

/// Zero biases for convolutions and FULLY_CONNECTED that have none: XNNPACK and the int8 kernels want one.
int add_missing_bias(Subgraph& subgraph);

/// Reductions over the spatial dimensions keep them, and RESHAPEs in front of FULLY_CONNECTED go, since that flattens
/// by itself.
int flatten_into_linear(Subgraph& subgraph);

/// RESHAPEs that only add leading ones in front of a broadcasting operator go.
int drop_rank_reshapes(Subgraph& subgraph);

/// A subgraph's output that is an input, a constant, or another output as well gets a RESHAPE of its own.
int separate_outputs(Subgraph& subgraph);

/// TRANSPOSEs of more than `rank` dimensions (3 or more): axes that stay together count as one, and where that is not
/// enough, several TRANSPOSEs between RESHAPEs do the same.
int limit_transpose_rank(Subgraph& subgraph, int rank);

}  // namespace tinyml::tflite
