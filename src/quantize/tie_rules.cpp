#include "quantize/tie_rules.h"

#include <initializer_list>
#include <map>
#include <optional>
#include <string>

#include "quantize/lookups.h"
#include "quantize/module_names.h"

namespace tinyml::quantization {

TieRule stays_float(const char* reason) {
  TieRule rule;
  rule.reason = reason;
  return rule;
}

namespace {

using Table = std::map<std::string, TieRule, std::less<>>;

void add(Table& table, const TieRule& rule, std::initializer_list<const char*> names) {
  for (const char* name : names) table.emplace(name, rule);
}

constexpr const char* kFloatCore = "attention's products lose more accuracy than time in 8 bits; they stay float";
constexpr const char* kNormalized = "normalization over the input's own statistics magnifies what integers lose";
constexpr const char* kRecurrent =
    "recurrent layers of an unknown number of steps, or of very many, are computed in float";
constexpr const char* kVolumeGroups = "transposed convolutions of several groups over three dimensions are float only";

/// Keyed by the operator's name without namespace and overload.
Table make_table() {
  Table table;
  add(table, {.tie = Tie::kLayer, .fuses_activation = true},
      {"conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "linear"});
  add(table, {.tie = Tie::kCompute, .fuses_activation = true}, {"batch_norm"});
  add(table, {.tie = Tie::kCompute, .data_args = 2, .fuses_activation = true}, {"add", "sub", "mul"});
  add(table, {.tie = Tie::kCompute, .data_args = 2},
      {"div", "true_divide", "divide", "multiply", "subtract", "maximum", "minimum", "fmax", "fmin", "remainder",
       "fmod", "floor_divide", "atan2", "hypot", "logaddexp", "xlogy"});
  add(table, {.tie = Tie::kCompute},
      {"relu", "relu6", "hardtanh",  "clamp",  "clamp_min", "clamp_max",  "leaky_relu", "prelu", "elu",  "selu",
       "celu", "silu",  "hardswish", "gelu",   "mish",      "softplus",   "softsign",   "exp",   "sqrt", "rsqrt",
       "log",  "abs",   "neg",       "square", "pow",       "reciprocal", "rsub",       "mean",  "sum"});
  // Functions of one number: tables of 256 entries in the file.
  add(table, {.tie = Tie::kCompute},
      {"log_sigmoid",   "hardshrink",    "softshrink", "threshold", "erf",     "sin",     "cos",     "tan",
       "asin",          "acos",          "atan",       "sinh",      "cosh",    "expm1",   "log1p",   "log2",
       "log10",         "exp2",          "sign",       "floor",     "ceil",    "round",   "trunc",   "frac",
       "asinh",         "acosh",         "atanh",      "erfc",      "sinc",    "logit",   "fix",     "nan_to_num",
       "float_power",   "arcsin",        "arccos",     "arctan",    "arcsinh", "arccosh", "arctanh", "special_exp2",
       "special_expm1", "special_log1p", "special_erf"});
  add(table, {.tie = Tie::kFixed, .fixed = {1.0f / 256.0f, -128}},
      {"sigmoid", "special_expit", "softmax", "_softmax", "special_softmax"});
  add(table, {.tie = Tie::kFixed, .fixed = {1.0f / 255.0f, -128}}, {"hardsigmoid"});
  add(table, {.tie = Tie::kFixed, .fixed = {1.0f / 128.0f, 0}}, {"tanh"});
  add(table, {.tie = Tie::kFixed, .fixed = {16.0f / 256.0f, 127}},
      {"log_softmax", "_log_softmax", "special_log_softmax"});
  add(table, {.tie = Tie::kMove},
      {"max_pool1d",
       "max_pool2d",
       "max_pool3d",
       "max_pool1d_with_indices",
       "max_pool2d_with_indices",
       "max_pool3d_with_indices",
       "adaptive_max_pool1d",
       "adaptive_max_pool2d",
       "adaptive_max_pool3d",
       "max",
       "min",
       "topk",
       "sort",
       "amax",
       "amin",
       "flatten",
       "reshape",
       "view",
       "unflatten",
       "squeeze",
       "unsqueeze",
       "permute",
       "transpose",
       "t",
       "movedim",
       "moveaxis",
       "swapaxes",
       "swapdims",
       "adjoint",
       "numpy_T",
       "mT",
       "ravel",
       "_unsafe_view",
       "atleast_1d",
       "atleast_2d",
       "atleast_3d",
       "diagonal",
       "unfold",
       "rot90",
       "fliplr",
       "flipud",
       "broadcast_to",
       "im2col",
       "slice",
       "select",
       "narrow",
       "split",
       "split_with_sizes",
       "chunk",
       "unbind",
       "expand",
       "expand_as",
       "repeat",
       "repeat_interleave",
       "tile",
       "flip",
       "roll",
       "index_select",
       "index",
       "gather",
       "take_along_dim",
       "view_as",
       "reshape_as",
       "pad",
       "constant_pad_nd",
       "reflection_pad1d",
       "reflection_pad2d",
       "reflection_pad3d",
       "replication_pad1d",
       "replication_pad2d",
       "replication_pad3d",
       "pixel_shuffle",
       "pixel_unshuffle",
       "channel_shuffle",
       "native_channel_shuffle",
       "upsample_nearest1d",
       "upsample_nearest2d",
       "contiguous",
       "clone",
       "detach",
       "alias",
       "dropout",
       "dropout1d",
       "dropout2d",
       "feature_dropout",
       "alpha_dropout",
       "to",
       "_to_copy",
       "type_as",
       "lift_fresh_copy",
       "unsafe_split",
       "unsafe_chunk",
       "unsafe_split_with_sizes",
       "tensor_split",
       "hsplit",
       "vsplit",
       "dsplit"});
  add(table, {.tie = Tie::kRound}, {"avg_pool1d", "avg_pool2d", "upsample_bilinear2d"});
  add(table, {.tie = Tie::kRound}, {"adaptive_avg_pool1d", "adaptive_avg_pool2d"});
  add(table, {.tie = Tie::kConcat},
      {"cat", "stack", "concat", "concatenate", "hstack", "vstack", "dstack", "column_stack", "row_stack"});
  add(table, {.tie = Tie::kCompute, .data_args = 2, .ends_float_stream = true, .reason = kFloatCore},
      {"matmul", "bmm", "einsum", "mm"});
  add(table, {.tie = Tie::kCompute, .data_args = 3, .ends_float_stream = true, .reason = kFloatCore},
      {"scaled_dot_product_attention", "baddbmm", "addmm"});
  add(table, {.tie = Tie::kCompute, .ends_float_stream = true, .reason = kNormalized}, {"layer_norm", "rms_norm"});
  // Between integers, computed in float.
  add(table, {.tie = Tie::kCompute},
      {"group_norm",
       "instance_norm",
       "linalg_vector_norm",
       "var",
       "std",
       "logsumexp",
       "prod",
       "upsample_bicubic2d",
       "upsample_linear1d",
       "upsample_trilinear3d",
       "upsample_nearest3d",
       "masked_fill",
       "avg_pool3d",
       "adaptive_avg_pool3d",
       "norm",
       "linalg_norm",
       "var_mean",
       "std_mean",
       "cosine_similarity",
       "pairwise_distance",
       "cdist",
       "tril",
       "triu"});
  add(table, stays_float(kRecurrent),
      {"lstm", "gru", "rnn_tanh", "rnn_relu", "lstm_cell", "gru_cell", "rnn_tanh_cell", "rnn_relu_cell"});
  add(table, {.tie = Tie::kLookup, .data_args = 0}, {"embedding", "embedding_bag", "_embedding_bag"});
  return table;
}

const Table& table() {
  static const Table rules = make_table();
  return rules;
}

std::optional<double> number(const Node& node, std::string_view name) {
  if (!node.has_arg(name) || !node.arg(name).is_number()) return std::nullopt;
  return node.arg(name).as_double();
}

/// Whether a pooling leaves one element: the mean, whose integer form has a scale of its own.
bool is_global_pool(const Graph& graph, const Node& node) {
  const TensorType& type = graph.tensor_type(node.outputs.at(0));
  const std::vector<int64_t> sizes = type.sizes();
  const size_t spatial = node.op.find("1d") != std::string::npos ? 1 : 2;
  if (sizes.size() < spatial) return false;
  for (size_t i = sizes.size() - spatial; i < sizes.size(); ++i) {
    if (sizes[i] != 1) return false;
  }
  return true;
}

}  // namespace

const TieRule* find_tie_rule(std::string_view op) {
  if (!op.starts_with("aten.")) return nullptr;
  const auto found = table().find(base_name(op));
  return found == table().end() ? nullptr : &found->second;
}

TieRule tie_rule(const Graph& graph, const Node& node) {
  const TieRule* found = find_tie_rule(node.op);
  if (found == nullptr) return stays_float("there is no quantization rule for this operator");
  TieRule rule = *found;
  // Of two tensors, or all of one, not along a dimension.
  if (node.op == "aten.max.other" || node.op == "aten.min.other") rule = *find_tie_rule("aten.maximum.default");
  for (const ValueId output : node.outputs) {
    if (output == kNoValue) continue;
    const Value& value = graph.value(output);
    const bool is_float = value.kind == ValueKind::kTensor && is_floating_point(value.tensor.type);
    if (is_float && value.tensor.type != ScalarType::kFloat32) {
      return stays_float("its result is not float32 (call model.float() before)");
    }
  }
  if (base_name(node.op).find("avg_pool") != std::string::npos && is_global_pool(graph, node)) rule.tie = Tie::kCompute;
  if (table_of_rows(graph, node)) {
    rule.tie = Tie::kLookup;
  } else if (rule.tie == Tie::kLookup) {
    return stays_float("its table is computed, not a matrix of parameters");
  }
  if (base_name(node.op) == "conv_transpose3d" && node.arg("groups").as_int() != 1) return stays_float(kVolumeGroups);
  if (node.op == "aten.batch_norm.default") {
    if (!node.arg("running_mean").is_value()) {
      return stays_float("a batch norm without running statistics has no integer form");
    }
  }
  return rule;
}

int64_t channel_axis(const Graph& graph, const Node& layer) {
  if (layer.op.find("transpose") == std::string::npos) return 0;
  if (layer.arg("groups").as_int() == 1) return 1;
  return graph.tensor_type(layer.arg("weight").as_value()).sizes().at(1) == 1 ? 0 : -1;
}

bool is_fusable_activation(const Node& node) {
  const std::string name = base_name(node.op);
  if (name == "relu" || name == "relu6") return true;
  std::optional<double> low;
  std::optional<double> high;
  if (name == "hardtanh") {
    low = number(node, "min_val");
    high = number(node, "max_val");
  } else if (name == "clamp") {
    low = number(node, "min");
    high = number(node, "max");
    if (node.has_arg("max") && !node.arg("max").is_none() && !high) return false;
  } else if (name == "clamp_min") {
    low = number(node, "min");
  }
  if (!low) return false;
  if (!high) return *low == 0.0;
  return (*low == 0.0 && *high == 6.0) || (*low == -1.0 && *high == 1.0);
}

}  // namespace tinyml::quantization
