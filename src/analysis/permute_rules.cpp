#include <algorithm>
#include <numeric>

#include "analysis/rules.h"

namespace tinyml::analysis {
namespace {

/// Dimension i of the output is dimension order[i] of the input. Joint blocks keep their order of dimensions; where it
/// would change, only the innermost dimension may shrink.
void permute_labels(Propagation& p, ValueId input, ValueId output, const std::vector<int64_t>& order) {
  std::vector<int64_t> position(order.size());
  for (size_t i = 0; i < order.size(); ++i) position[static_cast<size_t>(order[i])] = static_cast<int64_t>(i);
  const auto is_reordered = [&](const Block& block) {
    for (size_t i = 1; i < block.dims.size(); ++i) {
      if (position[static_cast<size_t>(block.dims[i - 1])] > position[static_cast<size_t>(block.dims[i])]) return true;
    }
    return false;
  };
  Blocks result = p.blocks(input);
  for (size_t i = 0; i < result.size(); ++i) {
    if (is_reordered(result[i])) p.isolate(result, result[i].dims.back());
    for (int64_t& dim : result[i].dims) dim = position[static_cast<size_t>(dim)];
  }
  p.set(output, std::move(result));
}

std::vector<int64_t> identity(int64_t rank) {
  std::vector<int64_t> order(static_cast<size_t>(rank));
  std::iota(order.begin(), order.end(), 0);
  return order;
}

void propagate_permute(Propagation& p, const Node& node) {
  std::vector<int64_t> order = node.args[1].value.as_ints();
  for (int64_t& dim : order) dim = wrap_dim(dim, static_cast<int64_t>(order.size()));
  permute_labels(p, operand(node), node.outputs[0], order);
}

void propagate_transpose(Propagation& p, const Node& node) {
  const int64_t rank = p.rank(operand(node));
  std::vector<int64_t> order = identity(rank);
  std::swap(order[static_cast<size_t>(wrap_dim(node.args[1].value.as_int(), rank))],
            order[static_cast<size_t>(wrap_dim(node.args[2].value.as_int(), rank))]);
  permute_labels(p, operand(node), node.outputs[0], order);
}

void propagate_t(Propagation& p, const Node& node) {
  std::vector<int64_t> order = identity(p.rank(operand(node)));
  std::reverse(order.begin(), order.end());
  permute_labels(p, operand(node), node.outputs[0], order);
}

/// The last two dimensions change places.
void propagate_matrix_transpose(Propagation& p, const Node& node) {
  std::vector<int64_t> order = identity(p.rank(operand(node)));
  std::swap(order[order.size() - 1], order[order.size() - 2]);
  permute_labels(p, operand(node), node.outputs[0], order);
}

void propagate_movedim(Propagation& p, const Node& node) {
  const int64_t rank = p.rank(operand(node));
  const std::vector<int64_t> from = int_or_ints(node.args[1].value), to = int_or_ints(node.args[2].value);
  std::vector<int64_t> order(static_cast<size_t>(rank), -1);
  std::vector<bool> moved(static_cast<size_t>(rank), false);
  for (size_t i = 0; i < from.size(); ++i) {
    order[static_cast<size_t>(wrap_dim(to[i], rank))] = wrap_dim(from[i], rank);
    moved[static_cast<size_t>(wrap_dim(from[i], rank))] = true;
  }
  int64_t next = 0;
  for (int64_t& dim : order) {
    if (dim >= 0) continue;
    while (moved[static_cast<size_t>(next)]) ++next;
    dim = next++;
  }
  permute_labels(p, operand(node), node.outputs[0], order);
}

}  // namespace

void add_permute_rules(Rules& rules) {
  add_rules(rules, {"aten.permute.default"}, propagate_permute);
  add_rules(rules, {"aten.transpose.int", "aten.swapaxes.default", "aten.swapdims.default"}, propagate_transpose);
  add_rules(rules, {"aten.t.default", "aten.numpy_T.default"}, propagate_t);
  add_rules(rules, {"aten.mT.default", "aten.mH.default", "aten.adjoint.default"}, propagate_matrix_transpose);
  add_rules(rules, {"aten.movedim.int", "aten.movedim.intlist", "aten.moveaxis.int", "aten.moveaxis.intlist"},
            propagate_movedim);
}

}  // namespace tinyml::analysis
