#include <algorithm>
#include <map>
#include <string_view>

#include "graph/operator_aliases.h"
#include "tinyml/functionalize.h"
#include "tinyml/schema.h"

namespace tinyml {
namespace {

using Args = std::vector<NamedArgument>;
using Unify = void (*)(Graph&, NodeId);

int64_t rank_of(const Graph& graph, ValueId value) { return graph.tensor_type(value).rank(); }

bool takes_the_same(std::string_view op, const Args& args) {
  const OpSchema* schema = find_schema(op);
  return schema != nullptr && schema->arguments.size() == args.size() &&
         std::equal(args.begin(), args.end(), schema->arguments.begin(),
                    [](const NamedArgument& given, const SchemaArgument& wanted) { return given.name == wanted.name; });
}

void rename(Graph& graph, NodeId id, std::string_view op) {
  const Args args = graph.node(id).args;
  if (takes_the_same(op, args)) graph.set_op(id, std::string(op), args);
}

/// The tensors joined along `dim`, where all have that many dimensions at least.
void to_cat(Graph& graph, NodeId id, int64_t dim, int64_t least_rank) {
  const Argument tensors = graph.node(id).arg("tensors");
  for (const ValueId value : tensors.as_values()) {
    if (rank_of(graph, value) < least_rank) return;
  }
  graph.set_op(id, "aten.cat.default", make_args("aten.cat.default", {{"tensors", tensors}, {"dim", dim}}));
}

void unify_hstack(Graph& graph, NodeId id) {
  const std::vector<ValueId> tensors = graph.node(id).arg("tensors").as_values();
  const bool lines = std::all_of(tensors.begin(), tensors.end(), [&](ValueId t) { return rank_of(graph, t) == 1; });
  to_cat(graph, id, lines ? 0 : 1, lines ? 1 : 2);
}
void unify_vstack(Graph& graph, NodeId id) { to_cat(graph, id, 0, 2); }
void unify_dstack(Graph& graph, NodeId id) { to_cat(graph, id, 2, 3); }
void unify_column_stack(Graph& graph, NodeId id) { to_cat(graph, id, 1, 2); }

void to_flip(Graph& graph, NodeId id, int64_t dim) {
  const Argument self = graph.node(id).arg("self");
  graph.set_op(id, "aten.flip.default", {{"self", self}, {"dims", Argument::ints({dim})}});
}
void unify_fliplr(Graph& graph, NodeId id) { to_flip(graph, id, 1); }
void unify_flipud(Graph& graph, NodeId id) { to_flip(graph, id, 0); }

void to_tensor_split(Graph& graph, NodeId id, int64_t dim) {
  const Node& node = graph.node(id);
  const bool by_count = node.has_arg("sections");
  const char* how = by_count ? "sections" : "indices";
  const std::string op = std::string("aten.tensor_split.") + how;
  graph.set_op(id, op, make_args(op, {{"self", node.arg("self")}, {how, node.arg(how)}, {"dim", dim}}));
}
void unify_hsplit(Graph& graph, NodeId id) {
  to_tensor_split(graph, id, rank_of(graph, graph.node(id).arg("self").as_value()) == 1 ? 0 : 1);
}
void unify_vsplit(Graph& graph, NodeId id) { to_tensor_split(graph, id, 0); }
void unify_dsplit(Graph& graph, NodeId id) { to_tensor_split(graph, id, 2); }

/// The operator returns its argument where that has `least_rank` dimensions.
void drop_for_rank(Graph& graph, NodeId id, int64_t least_rank) {
  const ValueId self = graph.node(id).arg("self").as_value();
  if (rank_of(graph, self) < least_rank) return;
  graph.replace_all_uses(graph.node(id).output(), self);
  graph.erase_node(id);
}
void unify_atleast_1d(Graph& graph, NodeId id) { drop_for_rank(graph, id, 1); }
void unify_atleast_2d(Graph& graph, NodeId id) { drop_for_rank(graph, id, 2); }
void unify_atleast_3d(Graph& graph, NodeId id) { drop_for_rank(graph, id, 3); }
void drop_conjugation(Graph& graph, NodeId id) { drop_for_rank(graph, id, 0); }  // Nothing here is complex.

/// Each tensor expanded to its result's shape.
void unify_broadcast_tensors(Graph& graph, NodeId id) {
  const std::vector<ValueId> tensors = graph.node(id).arg("tensors").as_values();
  const std::vector<ValueId> results = graph.node(id).outputs;
  const auto is_static = [&](ValueId value) { return value == kNoValue || graph.tensor_type(value).is_static(); };
  if (!std::all_of(results.begin(), results.end(), is_static)) return;
  for (size_t i = 0; i < results.size(); ++i) {
    if (results[i] == kNoValue) continue;
    const TensorType type = graph.tensor_type(results[i]);
    ValueId expanded = tensors[i];
    if (graph.tensor_type(expanded).shape != type.shape) {
      Args args = make_args("aten.expand.default", {{"self", expanded}, {"size", Argument::ints(type.sizes())}});
      expanded = graph.add_operator("aten.expand.default", std::move(args), type, id, id);
    }
    graph.replace_all_uses(results[i], expanded);
  }
  graph.erase_node(id);
}

/// The first difference: all but the first less all but the last.
void unify_diff(Graph& graph, NodeId id) {
  const Node& node = graph.node(id);
  const ValueId self = node.arg("self").as_value();
  const TensorType type = graph.tensor_type(node.output());
  const bool plain = node.arg("n").as_int() == 1 && node.arg("prepend").is_none() && node.arg("append").is_none();
  if (!plain || !type.is_static() || type.type == ScalarType::kBool) return;
  const int64_t dim = node.arg("dim").as_int();
  const int64_t count = type.sizes()[static_cast<size_t>(dim < 0 ? dim + type.rank() : dim)];
  const auto part = [&](int64_t start) {
    Args args = make_args("aten.slice.Tensor",
                          {{"self", self}, {"dim", dim}, {"start", start}, {"end", start + count}, {"step", 1}});
    return graph.add_operator("aten.slice.Tensor", std::move(args), type, id, id);
  };
  const ValueId after = part(1), before = part(0);
  graph.set_op(id, "aten.sub.Tensor", make_args("aten.sub.Tensor", {{"self", after}, {"other", before}}));
}

/// The einsum of the first two arguments.
void to_einsum(Graph& graph, NodeId id, std::string equation) {
  Argument::List operands{graph.node(id).args[0].value, graph.node(id).args[1].value};
  graph.set_op(id, "aten.einsum.default",
               make_args("aten.einsum.default", {{"equation", std::move(equation)}, {"tensors", std::move(operands)}}));
}

/// A sum of products over pairs of dimensions.
void unify_tensordot(Graph& graph, NodeId id) {
  const Node& node = graph.node(id);
  const ValueId a = node.arg("self").as_value(), b = node.arg("other").as_value();
  const std::vector<int64_t> of_a = node.arg("dims_self").as_ints(), of_b = node.arg("dims_other").as_ints();
  const auto rank_a = static_cast<size_t>(rank_of(graph, a)), rank_b = static_cast<size_t>(rank_of(graph, b));
  if (rank_a + rank_b > 26) return;
  std::string left, right, result;
  for (size_t i = 0; i < rank_a; ++i) left += static_cast<char>('a' + i);
  for (size_t i = 0; i < rank_b; ++i) right += static_cast<char>('a' + rank_a + i);
  for (size_t i = 0; i < of_a.size(); ++i) {
    const auto place = [](int64_t dim, size_t rank) { return dim < 0 ? static_cast<size_t>(dim) + rank : size_t(dim); };
    right[place(of_b[i], rank_b)] = left[place(of_a[i], rank_a)];
  }
  for (const char letter : left) result += right.find(letter) == std::string::npos ? std::string(1, letter) : "";
  for (const char letter : right) result += left.find(letter) == std::string::npos ? std::string(1, letter) : "";
  to_einsum(graph, id, left + ',' + right + "->" + result);
}
void unify_outer(Graph& graph, NodeId id) { to_einsum(graph, id, "i,j->ij"); }
void unify_mv(Graph& graph, NodeId id) { to_einsum(graph, id, "ij,j->i"); }

const std::map<std::string_view, std::string_view>& names() {
  static const auto table = [] {
    std::map<std::string_view, std::string_view> all;
    for (const OperatorAlias& alias : operator_aliases()) all.emplace(alias.name, alias.op);
    return all;
  }();
  return table;
}

const std::map<std::string_view, Unify>& rules() {
  static const std::map<std::string_view, Unify> table{{"aten.hstack.default", unify_hstack},
                                                       {"aten.vstack.default", unify_vstack},
                                                       {"aten.dstack.default", unify_dstack},
                                                       {"aten.column_stack.default", unify_column_stack},
                                                       {"aten.fliplr.default", unify_fliplr},
                                                       {"aten.flipud.default", unify_flipud},
                                                       {"aten.hsplit.int", unify_hsplit},
                                                       {"aten.hsplit.array", unify_hsplit},
                                                       {"aten.vsplit.int", unify_vsplit},
                                                       {"aten.vsplit.array", unify_vsplit},
                                                       {"aten.dsplit.int", unify_dsplit},
                                                       {"aten.dsplit.array", unify_dsplit},
                                                       {"aten.atleast_1d.default", unify_atleast_1d},
                                                       {"aten.atleast_2d.default", unify_atleast_2d},
                                                       {"aten.atleast_3d.default", unify_atleast_3d},
                                                       {"aten.resolve_conj.default", drop_conjugation},
                                                       {"aten.resolve_neg.default", drop_conjugation},
                                                       {"aten.broadcast_tensors.default", unify_broadcast_tensors},
                                                       {"aten.diff.default", unify_diff},
                                                       {"aten.tensordot.default", unify_tensordot},
                                                       {"aten.outer.default", unify_outer},
                                                       {"aten.mv.default", unify_mv}};
  return table;
}

}  // namespace

Graph unify_operators(Graph graph) {
  for (const NodeId id : graph.nodes()) {
    if (const auto name = names().find(graph.node(id).op); name != names().end()) rename(graph, id, name->second);
    if (const auto rule = rules().find(graph.node(id).op); rule != rules().end()) rule->second(graph, id);
  }
  return graph;
}

}  // namespace tinyml
