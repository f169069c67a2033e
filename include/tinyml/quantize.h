#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tinyml/graph.h"

namespace tinyml {

/// How the range of an activation is found (docs/quantization.md): the extremes of all runs or their moving average, or
/// from a histogram the part of least squared error, the part that holds a percentage of the values, or the part of
/// least Kullback-Leibler divergence.
enum class Observer : uint8_t { kMovingAverage, kMinMax, kMse, kPercentile, kKl };
std::string_view name_of(Observer observer);
/// By its name (moving_average, min_max, mse, percentile, kl) or another that is in use for it (l2, histogram: mse;
/// entropy: kl).
std::optional<Observer> observer_named(std::string_view name);
/// Whether the range is chosen from a histogram when calibration ends.
bool reads_histogram(Observer observer);

struct IntegerRange {
  int64_t low = 0, high = 0;
  friend bool operator==(const IntegerRange&, const IntegerRange&) = default;
};

/// The integers that stand for a tensor: real = scale * (q - zero_point), q in [quant_min, quant_max].
struct TensorScheme {
  int64_t quant_min = -128;
  int64_t quant_max = 127;
  bool symmetric = false;    ///< Zero point 0.
  bool per_channel = false;  ///< Weights: one scale for each output channel.
  Observer observer = Observer::kMovingAverage;
  double momentum = 0.01;     ///< Of the moving average: the weight of the newest batch.
  double percentile = 99.99;  ///< Of kPercentile: so many percent of the values lie inside, the others on both sides.
  /// Weights with a scale for each channel: a range for each of them, inside [quant_min, quant_max]; empty: that of
  /// all.
  std::vector<IntegerRange> channel_ranges = {};
  friend bool operator==(const TensorScheme&, const TensorScheme&) = default;
};

struct ScaleZeroPoint {
  float scale = 1.0f;
  int32_t zero_point = 0;
};

/// An exception for some of the operators. Later rules win.
struct LayerRule {
  /// A glob over module paths ("features.*.se"), operator names ("aten.sigmoid.default", "sigmoid") and module classes
  /// ("Linear").
  std::string pattern;
  bool ignore = false;   ///< These stay float.
  bool rewrite = false;  ///< These are replaced by simpler operators, each on integers, though float is the default.
  bool integer = false;  ///< These run on integers, though float is the default.
  std::optional<TensorScheme> activation;
  std::optional<TensorScheme> weight;
};

struct QuantizationScheme {
  std::string backend = "tflite";
  TensorScheme activation;
  TensorScheme weight = {-127, 127, true, true, Observer::kMinMax, 0.01, 99.99};
  /// Residual sums and what else is computed for normalizations and attention's products stay float, as these do.
  bool float_residual = true;
  /// Every input of a concatenation keeps a scale of its own and is requantized; else what is computed for a
  /// concatenation alone has its scale from the start.
  bool requantize_concatenations = false;
  /// Post-training: refine() is to round weights so that results change least, and to correct biases.
  bool adaptive_rounding = false;
  bool bias_correction = true;
  /// Of the model's float inputs, in their order; none: as calibration finds. Empty: all so.
  std::vector<std::optional<ScaleZeroPoint>> inputs;
  /// Post-training: equalize_layers() is to run on the float model first.
  bool cross_layer_equalization = false;
  /// Whether more than a tenth of the multiply-accumulates may stay float though the configuration does not ask for it
  /// (`float_residual` asks for attention's products).
  bool allow_float = false;
  bool high_bias_absorption = false;  ///< absorb_high_biases() is to run after that.
  std::vector<LayerRule> layers;
  /// Exceptions for single operators, by the name of their first result; they have the last word, also over
  /// float_residual. Written by a layer-wise configuration (tinyml/layer_config.h).
  std::map<std::string, LayerRule> by_result;
  /// Quantizers are to leave the layer-wise configuration alone.
  bool ignore_layerwise_config = false;
};

/// Reads a configuration: YAML, of which JSON is a part. Keys: backend, asymmetric, per_tensor, bits, algorithm (or
/// observer), momentum, percentile, residual (float or int8), concatenation (tie or
/// requantize), adaptive_rounding, bias_correction,
/// cross_layer_equalization, high_bias_absorption, ignore_layerwise_config, quantized_input_stats, quantize_op_action
/// (pattern -> float, int8, int16 or rewrite), ignore (a list of patterns), layers (pattern -> {ignore, bits, range,
/// asymmetric, per_tensor, observer, momentum}). `range` is a mapping {activation: [low, high], weight: [low, high] or
/// a list of these, one for each output channel}. `bits` and `asymmetric` are for both kinds of tensors or a mapping
/// {activation:
/// ..., weight: ...}. quantized_input_stats lists for each input null or [mean, std] as TensorFlow Lite defines them:
/// the real number is (q - mean) / std for q in [0, 255]. `force_overwrite` and `remove_weights_after_load` are for
/// whoever writes files. Throws Error listing every unknown key (with the nearest known one) and every bad value.
QuantizationScheme parse_scheme(const std::string& text);

/// An operator that stays float, and why.
struct FloatOperator {
  std::string name;  ///< Of its (first) result.
  std::string op;
  std::string module_path;
  SourceLocation where;
  std::string reason;
  NodeId node = kNoNode;  ///< In the graph before FakeQuants.
  int64_t macs = 0;       ///< Multiply-accumulates.
  bool chosen = false;    ///< The configuration asks for it; a product of attention: `float_residual` does.
};

/// What became of a graph's operators; those that only move data or are folded into others do not count.
struct QuantizationReport {
  size_t quantized_operators = 0;
  std::vector<FloatOperator> float_operators;
  int64_t macs = 0;            ///< Multiply-accumulates of the model.
  int64_t quantized_macs = 0;  ///< Of these, in operators on integers.

  /// Lines of text for people.
  std::string to_string() const;
};

/// Folds each batch norm that follows a convolution, transposed convolution or linear layer (in modules of torch.nn,
/// neither of them shared, the layer's result read by nothing else) into the layer: the result computes weight * gamma
/// / sqrt(var + eps) and the bias that belongs to it, from the same parameters, in nodes of one module of class
/// tinyml.nn.qat_conv.ConvBn2d (ConvBn1d, ConvTransposeBn2d, LinearBn1d) at the layer's path; the batch norm's tensors
/// become "<layer>.bn.<name>". The momentum is kept in the layer node's metadata.other["tinyml.bn_momentum"]. Inference
/// results are equal up to rounding.
Graph fuse(const Graph& graph);

/// Replaces operators without an integer form by ones that have it: glu, addcmul and lerp by slices, sigmoid, products
/// and sums; LSTM, GRU and RNN of a known number of steps by linear layers and the gates between them, step by step, in
/// modules of class tinyml.nn.quant_recurrent.Quant*. Not those that the scheme ignores. The float model stays the same
/// up to rounding.
///
/// Where a rule of the scheme says so, layer_norm, rms_norm, group_norm and instance_norm are replaced by means,
/// differences, squares and a reciprocal root, scaled_dot_product_attention by products and a softmax. Throws Error for
/// such a rule that fits no operator with a rewriting.
Graph rewrite(const Graph& graph, const QuantizationScheme& scheme = {});

/// Of rewrite() the part for recurrent layers alone, for quantize_weights().
Graph rewrite_recurrent_layers(const Graph& graph, const QuantizationScheme& scheme = {});

/// Adds FakeQuant nodes so that as much as possible can run on integers.
///
/// A FakeQuant of an activation is `aten.fake_quantize_per_tensor_affine.tensor_qparams` with float32 scale and int32
/// zero point buffers of shape [1], in a module of class tinyml.nn.fake_quantize.FakeQuantize ("<module>.fq_<name>");
/// where the target fixes the scale (sigmoid, softmax: 1/256, -128; tanh: 1/128, 0) it is `.default` with the two as
/// numbers. A weight's is `aten.fake_quantize_per_channel_affine` (or per tensor) in a
/// tinyml.nn.fake_quantize.WeightFakeQuantize inside a tinyml.nn.quant_layers.Quant* or tinyml.nn.qat_conv.*Bn* module,
/// or standing alone where the weight is not a plain parameter of a torch.nn layer. Average pooling and bilinear resize
/// round to the grid of their input: a tinyml.nn.fake_quantize.Requantize whose node has the input's scale. Settings
/// that the node cannot carry are in its metadata.other: "tinyml.observer", "tinyml.momentum", "tinyml.symmetric".
///
/// Placement: a value that an integer operator reads or writes has a scale. Operators that only move data, max pooling
/// and so on tie their results to their input, which alone gets the FakeQuant. A ReLU, ReLU6 or clamp(-1, 1) that is
/// the only reader of a convolution, linear layer, batch norm, addition, subtraction or multiplication is part of it. A
/// concatenation's result has its own scale; an input that is computed for it alone has no FakeQuant (it takes the
/// result's scale), any other keeps its own and is requantized. Concatenations whose values another one joins too
/// (dense blocks) share the scale of that one. An operator of more than 8 bits runs on int16: it reads 16-bit values
/// and makes one, so where it meets operators of 8 bits the value between them has a second FakeQuant, for those that
/// read it in the other width. Biases are int32 and need none. Between layers, normalizations and attention's products
/// a transformer computes in float unless the scheme says otherwise; a value computed in float is read as it is by
/// operators that stay float, its FakeQuant by the others.
///
/// Scales of weights are computed from the weights; those of activations are 1 until calibrated. Operators without a
/// rule and those the scheme ignores stay float and are listed in `report`. Throws Error when the graph has FakeQuants
/// already, and, unless `allow_float`, when less than 90 % of the multiply-accumulates run on integers, those the
/// scheme ignores not counted.
Graph quantize(const Graph& graph, const QuantizationScheme& scheme = {}, QuantizationReport* report = nullptr);

/// Adds the FakeQuants of weights alone: for models whose activations are float, or quantized by the range of each
/// inference (the converter's dynamic range). Weights as in quantize(), and tables of embeddings with a scale for each
/// row; the operators listed in `report` are those with a weight that stays float: recurrent layers too, unless
/// rewrite_recurrent_layers() came before.
Graph quantize_weights(const Graph& graph, const QuantizationScheme& scheme = {}, QuantizationReport* report = nullptr);

/// Scale and zero point for values in [low, high], widened to contain 0, which is represented exactly. A range of no
/// width gives the smallest scale, 2^-40. Throws Error for bounds that are not finite.
ScaleZeroPoint choose_scale(double low, double high, const TensorScheme& scheme);

/// Symmetric float32 scales of a weight: one for each index of `axis`, or one for all (axis < 0). The largest absolute
/// value decides; where the scheme's observer is kMse and channels have scales of their own, the scale near that which
/// rounds the channel with the least squared error (up to 2048 values; among more, luck evens out). Throws Error where
/// the scheme has ranges for another number of channels.
std::vector<float> choose_weight_scales(const Tensor& weight, int64_t axis, const TensorScheme& scheme);

/// Whether a graph has a FakeQuant.
bool is_quantized(const Graph& graph);

}  // namespace tinyml
