// Attention behind the core ATen operators that spell it out.
#include <algorithm>
#include <optional>
#include <vector>

#include "graph/node_notes.h"
#include "tinyml/functionalize.h"
#include "tinyml/schema.h"

namespace tinyml {
namespace {

/// The node that makes the argument; nullptr when there is none, or others see the value too.
const Node* sole_producer(const Graph& graph, const Argument& argument) {
  if (!argument.is_value()) return nullptr;
  const Value& value = graph.value(argument.as_value());
  const bool alone = value.producer != kNoNode && value.users.size() == 1 && !graph.is_output(argument.as_value());
  return alone ? &graph.node(value.producer) : nullptr;
}

/// What a value of one batch dimension was, before a reshape merged several into that one.
std::optional<ValueId> before_merging(const Graph& graph, const Argument& argument) {
  if (!argument.is_value()) return std::nullopt;
  const NodeId producer = graph.value(argument.as_value()).producer;
  if (producer == kNoNode || !is_reshape(graph.node(producer))) return std::nullopt;
  const Argument& whole = graph.node(producer).args[0].value;
  if (!whole.is_value()) return std::nullopt;
  const Shape& from = graph.tensor_type(whole.as_value()).shape;
  const Shape& to = graph.tensor_type(argument.as_value()).shape;
  const bool merges = from.size() > 3 && to.size() == 3 && std::equal(to.end() - 2, to.end(), from.end() - 2);
  return merges ? std::optional(whole.as_value()) : std::nullopt;
}

/// bmm between reshapes that merge batch dimensions and take them apart again: matmul of the tensors themselves.
void unmerge_batch(Graph& graph, NodeId id) {
  const ValueId result = graph.node(id).output();
  const std::optional<ValueId> a = before_merging(graph, graph.node(id).arg("self"));
  const std::optional<ValueId> b = before_merging(graph, graph.node(id).arg("mat2"));
  if (!a || !b || graph.is_output(result) || graph.is_unused(result)) return;
  Shape expected = graph.tensor_type(*a).shape;
  const Shape& other = graph.tensor_type(*b).shape;
  if (expected.size() != other.size() || !std::equal(expected.begin(), expected.end() - 2, other.begin())) return;
  expected.back() = other.back();
  const std::vector<NodeId> readers = graph.value(result).users;
  for (const NodeId reader : readers) {
    if (!is_reshape(graph.node(reader)) || graph.tensor_type(graph.node(reader).output()).shape != expected) return;
  }
  graph.set_op(id, "aten.matmul.default", make_args("aten.matmul.default", {{"self", *a}, {"other", *b}}));
  TensorType type = graph.tensor_type(result);
  type.shape = std::move(expected);
  type.strides.clear();
  graph.set_tensor_type(result, std::move(type));
  for (const NodeId reader : readers) {
    graph.replace_all_uses(graph.node(reader).output(), result);
    graph.erase_node(reader);
  }
}

/// A value times a number, for one reader alone.
struct Scaled {
  ValueId value;
  double factor;
};
std::optional<Scaled> scaled(const Graph& graph, const Argument& argument) {
  const Node* node = sole_producer(graph, argument);
  if (node == nullptr || node->op != "aten.mul.Scalar" || !node->arg("other").is_number()) return std::nullopt;
  if (!node->arg("self").is_value()) return std::nullopt;
  return Scaled{node->arg("self").as_value(), node->arg("other").as_double()};
}

/// A product of two values with a factor each: with one factor.
void join_factors(Graph& graph, NodeId id) {
  const std::optional<Scaled> a = scaled(graph, graph.node(id).arg("self"));
  const std::optional<Scaled> b = scaled(graph, graph.node(id).arg("other"));
  if (!a || !b) return;
  const NodeId factor = graph.value(graph.node(id).arg("self").as_value()).producer;
  graph.set_arg(factor, graph.node(factor).arg_index("other"), a->factor * b->factor);
  const NodeId needless = graph.value(graph.node(id).arg("other").as_value()).producer;
  graph.set_arg(id, graph.node(id).arg_index("other"), b->value);
  graph.erase_node(needless);
}

/// What the value is the matrix transpose of.
std::optional<ValueId> transposed(const Graph& graph, const Argument& argument) {
  const Node* node = sole_producer(graph, argument);
  if (node == nullptr || node->op != "aten.permute.default" || !node->arg("dims").is_int_list()) return std::nullopt;
  const std::vector<int64_t> dims = node->arg("dims").as_ints();
  const auto rank = static_cast<int64_t>(dims.size());
  for (int64_t i = 0; i < rank; ++i) {
    const int64_t wanted = i < rank - 2 ? i : 2 * rank - 3 - i;
    if ((dims[static_cast<size_t>(i)] + rank) % rank != wanted) return std::nullopt;
  }
  return node->arg("self").as_value();
}

/// softmax(factor * q k^T) v.
void form_attention(Graph& graph, NodeId id) {
  const Node* softmax = sole_producer(graph, graph.node(id).arg("self"));
  if (softmax == nullptr || softmax->op != "aten.softmax.int" || !softmax->arg("dim").is_int()) return;
  const int64_t rank = graph.tensor_type(softmax->output()).rank();
  if ((softmax->arg("dim").as_int() + rank) % rank != rank - 1 || rank < 3) return;
  const Node* product = sole_producer(graph, softmax->arg("self"));
  if (product == nullptr || product->op != "aten.matmul.default") return;
  const std::optional<Scaled> query = scaled(graph, product->arg("self"));
  const std::optional<ValueId> key = transposed(graph, product->arg("other"));
  const Argument value = graph.node(id).arg("other");
  if (!query || !key || !value.is_value()) return;
  const auto same_batch = [&](ValueId other) {
    const Shape &x = graph.tensor_type(query->value).shape, &y = graph.tensor_type(other).shape;
    return x.size() == y.size() && std::equal(x.begin(), x.end() - 2, y.begin());
  };
  if (!same_batch(*key) || !same_batch(value.as_value())) return;
  const char* op = "aten.scaled_dot_product_attention.default";
  graph.set_op(id, op,
               make_args(op, {{"query", query->value}, {"key", *key}, {"value", value}, {"scale", query->factor}}));
}

}  // namespace

Graph recompose_attention(Graph graph) {
  for (const NodeId id : graph.nodes()) {
    if (graph.is_alive(id) && graph.node(id).op == "aten.bmm.default") unmerge_batch(graph, id);
  }
  graph.erase_dead_nodes();  // The reshapes, which read what is between.
  for (const NodeId id : graph.nodes()) {
    if (!graph.is_alive(id) || graph.node(id).op != "aten.matmul.default") continue;
    join_factors(graph, id);
    form_attention(graph, id);
  }
  graph.erase_dead_nodes();
  return graph;
}

}  // namespace tinyml
