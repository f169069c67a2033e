#pragma once

#include "tinyml/graph.h"

namespace tinyml {

/// What every captured graph goes through before anything else looks at it: inline_regions, functionalize,
/// resolve_quantized_pairs, unify_operators, drop_identities, recompose_layers, recompose_activations,
/// recompose_shuffles, drop_softmax_guards, recompose_attention.
Graph normalize(Graph graph);

/// Replaces `wrap_with_set_grad_enabled` and `wrap_with_autocast` (what `with torch.no_grad():` and `with
/// torch.autocast():` become) by the operators inside. Where autocast was active, conversions are inserted so that
/// every operator computes in the type that was captured. Gradients are no longer stopped at a no_grad region. Real
/// control flow (cond, while_loop) stays.
Graph inline_regions(Graph graph);

/// Replaces every `cond` whose predicate is known (a bool, or a tensor bound to the graph) by the operators of the
/// branch taken. Those inside the branch are next: fold constants and call again while `graph` changes. Returns whether
/// it did.
bool inline_conditions(Graph& graph);

/// Turns in-place operators into single assignment form: `relu_` becomes `relu`, a write into a slice becomes a
/// `slice_scatter` of the tensor that the slice was taken from, and every later reader of any tensor that shares the
/// memory reads the new value; after `unsqueeze_` and the like, readers of the tensor read the view. Which tensors
/// share memory follows from the operators' schemas and the captured strides, as in PyTorch. A parameter, buffer or
/// input that is written becomes an output of the mutation kinds. Fake-quantization operators keep updating their
/// observer buffers in place. Dead nodes are removed. Throws Error, naming the user's source lines, for in-place
/// operators without a functional partner and for writes through views that have no inverse.
Graph functionalize(Graph graph);

/// Turns the operators of export-based quantization into FakeQuants, so that everything after knows only those:
/// `quantized_decomposed` (quantize_per_tensor, quantize_per_channel, fake_quant_per_channel and their dequantize
/// operators) and torchao's `quantize_affine` and `dequantize_affine` with one block for the tensor or for each index
/// of one axis. Stored integers become a float buffer ("<name>_real") with a FakeQuant that gives exactly the integers
/// back; an int32 bias becomes float. Where the scale is computed from the values (`choose_qparams`, per token) the
/// activation stays float. Operators between the two that only move values move real numbers. Throws Error for pairs
/// that disagree, arithmetic on the integers and scales that no FakeQuant has.
Graph resolve_quantized_pairs(Graph graph);

/// Whether activations are quantized by the range of each inference (`choose_qparams`).
bool has_dynamic_quantization(const Graph& graph);

/// Gives every operation one spelling, so that what comes after knows but one: second names (`arctan2`, `__and__`,
/// `view_copy`), stacks as `cat`, `hsplit` and the like as `tensor_split`, `fliplr` as `flip`, `diff` as a difference
/// of slices, `tensordot`, `outer` and `mv` as `einsum`, `broadcast_tensors` as `expand`. Values are the same.
Graph unify_operators(Graph graph);

/// Removes what has no effect in a functional graph: assertions, symbolic range constraints, `alias`,
/// `lift_fresh_copy`, `detach` of what has no gradient, conversions to the type and device a tensor has already,
/// reshapes to the shape it has, `+ 0`, `- 0`, `* 1` and `/ 1`. Dead nodes are removed.
Graph drop_identities(Graph graph);

/// Brings the operators of PyTorch's core ATen set (`run_decompositions()`, `torch.jit.trace`) back to the layers that
/// they came from: `convolution` to conv1d to conv_transpose3d, `_native_batch_norm_legit_no_training`,
/// `native_layer_norm` and `native_group_norm` to the norms, `addmm` and `mm` with a transposed parameter (and the
/// reshapes to a matrix and back around them) to `linear`, pooling with unused indices, `_softmax`, fused attention.
/// Values are the same. Where a second result is read, the operator stays.
Graph recompose_layers(Graph graph);

/// Replaces clamp(x + 3, 0, 6) / 6 by `hardsigmoid` and x times it by `hardswish`, in the forms that core ATen and
/// models written by hand have, where nothing else reads what is between.
Graph recompose_activations(Graph graph);

/// Replaces the reshape to (N, C, r, r, H, W), permutation and reshape that core ATen and models written by hand have
/// for `pixel_shuffle`, (N, C r r, H, W) to (N, C, H r, W r), and those of `pixel_unshuffle`, by the layer, for static
/// sizes, any number of batch dimensions and where nothing else reads what is between.
Graph recompose_shuffles(Graph graph);

/// Removes what core ATen's attention does for queries whose keys are all masked, where(all scores are -inf, 0,
/// softmax), where the scores are products that nothing masks: those are finite for finite operands.
Graph drop_softmax_guards(Graph graph);

/// Replaces `bmm` between reshapes that merge batch dimensions and take them apart again by `matmul`, two factors of a
/// product's operands by one, and softmax(factor * q k^T) v, which core ATen has for attention without a mask, by
/// `scaled_dot_product_attention`, where nothing else reads what is between.
Graph recompose_attention(Graph graph);

}  // namespace tinyml
