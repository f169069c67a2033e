// Replaces operators that have no integer form by operators that have one. One file a rewrite; each changes the graph
// in place where `wanted` agrees and returns how many nodes it replaced.
#pragma once

#include <functional>
#include <string_view>

#include "graph/node_notes.h"
#include "tinyml/graph.h"

namespace tinyml::quantization {

using Wanted = std::function<bool(const Node&)>;

// Notes of rewrites in Metadata::other of the nodes they make, for the placement of FakeQuants.
inline constexpr std::string_view kRewrittenFrom = "tinyml.rewritten_from";      ///< The operator that was replaced.
inline constexpr std::string_view kRewrittenModule = "tinyml.rewritten_module";  ///< The path of its layer of torch.nn.
inline constexpr std::string_view kRewrittenClass = "tinyml.rewritten_class";    ///< The class of that.
inline constexpr std::string_view kKeptFloat = "tinyml.kept_float";              ///< Stays float; the value says why.
/// The FakeQuant of the result has this name in the node's module. Results of one module and name share a scale.
inline constexpr std::string_view kQuantizer = "tinyml.quantizer";
inline constexpr std::string_view kWeightQuantizer = "tinyml.weight_quantizer";  ///< The same of the weight.

/// The name of the result whose exception of a layer-wise configuration holds for this operator too.
inline constexpr std::string_view kLeader = "tinyml.leader";
/// The constructor's arguments of the module whose call the node is the first of, "name=value" separated by ';'.
inline constexpr std::string_view kConstructor = "tinyml.recurrent_constructor";
inline constexpr std::string_view kRecurrentOutput = "tinyml.recurrent_output";  ///< The index among the results.

/// glu(x) = a * sigmoid(b), with a and b the halves of x. Exact.
int rewrite_glu(Graph& graph, const Wanted& wanted);

/// silu(x) = x * sigmoid(x). Exact; in 8 bits the sigmoid is rounded to 1/256, as in the file.
int rewrite_silu(Graph& graph, const Wanted& wanted);

/// addcmul(x, a, b) = x + a * b (`value` 1); lerp(a, b, w) = a + w * (b - a). Exact but for float rounding; in 8 bits
/// the product (and the difference) is rounded to a scale of its own, half a step at most.
int rewrite_addcmul(Graph& graph, const Wanted& wanted);

/// x + mask, with a constant mask that is minus infinity in places, as masked_fill(x + the rest of it, places, -inf):
/// no scale holds an infinity. Exact. After the rewriting of attention, which adds such masks.
int rewrite_infinite_masks(Graph& graph, const Wanted& wanted);

/// LSTM, GRU and RNN of a known number of steps, written out: the products of inputs and states run on integers, gates
/// and cell state are computed in float between them. Exact but for float rounding; FakeQuants stand behind the
/// products and the hidden state, each with one scale for all steps. A module of torch.nn becomes one of tinyml.nn
/// (QuantLSTM, QuantGRU, QuantRNN), whose forward makes these nodes. LSTMCell, GRUCell and RNNCell likewise, one step
/// each.
int rewrite_recurrent(Graph& graph, const Wanted& wanted);

/// layer_norm, rms_norm, group_norm and instance_norm (of the input's own statistics) as means, differences, squares
/// and a reciprocal root. Exact but for float rounding; in 8 bits each of these is rounded, the squares most felt: a
/// value under 1/16 of the largest has none left. Returns whether it replaced the node.
bool rewrite_norm(Graph& graph, NodeId id);

/// scaled_dot_product_attention as softmax(query * scale @ key^T + mask) @ value, with masks of every kind (a computed
/// mask of bools must leave every query a key) and keys and values of fewer heads. Exact but for float rounding; in 8
/// bits the scores are rounded to a scale of their own and the weights to 1/256. Returns whether it replaced the node:
/// not where sizes that a causal mask or shared heads need are dynamic.
bool rewrite_attention(Graph& graph, NodeId id);

/// Adds an operator with a result of that type in front of the node, which it takes the place of part of.
ValueId add_before(Graph& graph, NodeId id, const char* op, std::vector<NamedArgument> args, TensorType type);

/// Makes `result` take the place of the node's only result and removes the node; false for kNoValue.
bool replace(Graph& graph, NodeId id, ValueId result);

/// Notes at the last node of each call of tinyml.nn's recurrent modules how code constructs the module
/// ("tinyml.recurrent"), with a digest of the nodes that it holds for. After FakeQuants are in.
void note_recurrent_modules(Graph& graph);

/// The stack of a node that takes the place of part of `replaced`: that of the user's own module around it.
Metadata metadata_inside(const Node& replaced);

}  // namespace tinyml::quantization
