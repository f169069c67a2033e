// Pixel shuffles behind the reshape, permutation and reshape that spell them out.
#include <numeric>
#include <optional>
#include <vector>

#include "graph/node_notes.h"
#include "tinyml/functionalize.h"
#include "tinyml/schema.h"

namespace tinyml {
namespace {

/// The node that makes the argument for one reader alone, seen through copies; nullptr when there is none.
const Node* sole_producer(const Graph& graph, const Argument& argument) {
  if (!argument.is_value()) return nullptr;
  const Value& value = graph.value(argument.as_value());
  if (value.producer == kNoNode || value.users.size() != 1 || graph.is_output(argument.as_value())) return nullptr;
  const Node& node = graph.node(value.producer);
  const bool is_copy = node.op == "aten.clone.default" || node.op == "aten.contiguous.default";
  return is_copy ? sole_producer(graph, node.args[0].value) : &node;
}

/// The batch's dimensions as they are, then the places of `tail`, which count from behind the batch.
std::vector<int64_t> behind_batch(int64_t batch, std::vector<int64_t> tail) {
  std::vector<int64_t> order(static_cast<size_t>(batch));
  std::iota(order.begin(), order.end(), int64_t{0});
  for (const int64_t place : tail) order.push_back(batch + place);
  return order;
}

/// The non-negative dimensions of a permutation, empty when they are not known.
std::vector<int64_t> permutation_of(const Node& node) {
  if (node.op != "aten.permute.default" || !node.arg("dims").is_int_list()) return {};
  std::vector<int64_t> dims = node.arg("dims").as_ints();
  for (int64_t& dim : dims) dim += dim < 0 ? static_cast<int64_t>(dims.size()) : 0;
  return dims;
}

/// A reshape, a permutation and a reshape: the sizes of the tensors and the input.
struct Movement {
  ValueId input;
  std::vector<int64_t> from;
  std::vector<int64_t> split;
  std::vector<int64_t> order;
  std::vector<int64_t> to;
};

std::optional<Movement> movement_of(const Graph& graph, const Node& merge) {
  const Node* permute = sole_producer(graph, merge.args[0].value);
  std::vector<int64_t> order = permute == nullptr ? std::vector<int64_t>{} : permutation_of(*permute);
  if (order.size() < 5) return std::nullopt;
  const Node* split = sole_producer(graph, permute->arg("self"));
  if (split == nullptr || !is_reshape(*split) || !split->args[0].value.is_value()) return std::nullopt;
  const ValueId input = split->args[0].value.as_value();
  const TensorType& from = graph.tensor_type(input);
  const TensorType& middle = graph.tensor_type(split->output());
  const TensorType& to = graph.tensor_type(merge.output());
  if (!from.is_static() || !middle.is_static() || !to.is_static()) return std::nullopt;
  if (from.rank() != to.rank() || from.rank() + 2 != middle.rank()) return std::nullopt;
  return Movement{input, from.sizes(), middle.sizes(), std::move(order), to.sizes()};
}

/// The factor r by which (..., C r r, H, W) and (..., C, H r, W r), `deep` and `wide`, are each other's shuffle with
/// (..., C, r, r, H, W) between them.
std::optional<int64_t> factor_between(const std::vector<int64_t>& deep, const std::vector<int64_t>& parts,
                                      const std::vector<int64_t>& wide) {
  const size_t batch = deep.size() - 3;
  const int64_t r = parts[batch + 1];
  if (r < 2 || parts[batch + 2] != r) return std::nullopt;
  for (size_t i = 0; i < batch; ++i) {
    if (deep[i] != parts[i] || wide[i] != parts[i]) return std::nullopt;
  }
  const int64_t channels = parts[batch], height = parts[batch + 3], width = parts[batch + 4];
  const bool fits = deep[batch] == channels * r * r && deep[batch + 1] == height && deep[batch + 2] == width &&
                    wide[batch] == channels && wide[batch + 1] == height * r && wide[batch + 2] == width * r;
  return fits ? std::optional(r) : std::nullopt;
}

}  // namespace

Graph recompose_shuffles(Graph graph) {
  for (const NodeId id : graph.nodes()) {
    if (!is_reshape(graph.node(id))) continue;
    const std::optional<Movement> movement = movement_of(graph, graph.node(id));
    if (!movement) continue;
    const auto& [input, from, split, order, to] = *movement;
    const int64_t batch = static_cast<int64_t>(from.size()) - 3;
    if (order == behind_batch(batch, {0, 3, 1, 4, 2})) {
      if (const std::optional<int64_t> r = factor_between(from, split, to)) {
        const char* op = "aten.pixel_shuffle.default";
        graph.set_op(id, op, make_args(op, {{"self", input}, {"upscale_factor", *r}}));
      }
    } else if (order == behind_batch(batch, {0, 2, 4, 1, 3})) {
      std::vector<int64_t> parts;
      for (const int64_t dim : order) parts.push_back(split[static_cast<size_t>(dim)]);
      if (const std::optional<int64_t> r = factor_between(to, parts, from)) {
        const char* op = "aten.pixel_unshuffle.default";
        graph.set_op(id, op, make_args(op, {{"self", input}, {"downscale_factor", *r}}));
      }
    }
  }
  graph.erase_dead_nodes();
  return graph;
}

}  // namespace tinyml
