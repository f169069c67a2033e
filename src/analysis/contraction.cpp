#include "analysis/contraction.h"

#include <algorithm>
#include <set>
#include <string_view>

#include "analysis/index_space.h"

namespace tinyml::analysis {
namespace {

bool contains(const std::vector<int64_t>& list, int64_t item) {
  return std::find(list.begin(), list.end(), item) != list.end();
}

/// What is left in the product of a block of which one dimension is summed over.
Blocks contract_block(Propagation& p, const Block& block, const std::vector<int64_t>& contracted) {
  Blocks rest{block};
  simplify(rest[0], p.labels());
  const auto summed = [&](int64_t dim) { return contains(contracted, dim); };
  const std::vector<int64_t> dims = rest[0].dims;
  if (std::none_of(dims.begin(), dims.end(), summed)) return rest;
  const auto outer = std::find_if_not(dims.rbegin(), dims.rend(), summed);
  if (p.options().whole_heads && outer != dims.rend()) {
    p.isolate(rest, *outer);
    return rest;
  }
  for (int64_t dim : dims) {
    if (summed(dim) ? block.zero : dims.size() == 1) continue;
    p.fix(rest, dim,
          summed(dim) ? "a sum runs over it, and what is cut would not have been zero"
                      : "the dimension summed over depends on it");
    if (rest.empty()) break;
  }
  return {};
}

/// Operators that make channels of their own: what lies before them says nothing of a weight.
bool makes_channels(std::string_view op) {
  for (const char* name :
       {"linear", "conv", "matmul", "mm.", "bmm", "einsum", "attention", "embedding", "lstm", "gru", "rnn"}) {
    if (op.find(name) != std::string_view::npos) return true;
  }
  return false;
}

bool same_labels(const LabelSpace& space, const Labels& a, const Labels& b) {
  return a.size() == b.size() &&
         std::equal(a.begin(), a.end(), b.begin(), [&](Label x, Label y) { return space.find(x) == space.find(y); });
}

}  // namespace

Blocks contract(Propagation& p, const std::vector<Operand>& factors, const std::vector<int64_t>& space,
                const std::vector<int64_t>& contracted, const std::vector<int64_t>& output_dims) {
  Blocks result;
  for (const Block& joined : p.join(factors, space, ZeroRule::kAny)) {
    for (Block& block : contract_block(p, joined, contracted)) {
      for (int64_t& dim : block.dims) dim = output_dims[static_cast<size_t>(dim)];
      if (std::is_sorted(block.dims.begin(), block.dims.end())) {
        result.push_back(std::move(block));
      } else {
        p.pin(block.labels, "a product changes the order of its dimensions");
      }
    }
  }
  return result;
}

void mark_role(Propagation& p, ValueId weight, int64_t dim, AxisRole role) {
  if (p.is_binding(weight)) return p.set_role(weight, dim, role);
  constexpr size_t kMostValues = 64;  // A weight is computed in a few steps; activations have long histories.
  const Block* block = block_at(p.known_blocks(weight), dim);
  if (block == nullptr || block->dims.size() > 1) return;
  const LabelList labels = block->labels;
  std::vector<ValueId> open{weight};
  std::set<ValueId> seen{weight};
  while (!open.empty() && seen.size() < kMostValues) {
    const ValueId value = open.back();
    open.pop_back();
    if (p.is_binding(value)) {
      for (const Block& own : p.known_blocks(value)) {
        if (product(p.sizes(value)) > static_cast<int64_t>(labels->size()) &&
            same_labels(p.labels(), *own.labels, *labels)) {
          p.set_role(value, own.dims[0], role);
        }
      }
      continue;
    }
    const NodeId producer = p.graph().value(value).producer;
    if (producer == kNoNode || makes_channels(p.graph().node(producer).op)) continue;
    for (const NamedArgument& argument : p.graph().node(producer).args) {
      argument.value.for_each_value([&](ValueId next) {
        if (p.is_tensor(next) && seen.insert(next).second) open.push_back(next);
      });
    }
  }
}

}  // namespace tinyml::analysis
