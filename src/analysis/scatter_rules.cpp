// Parts of a value written over: what an assignment to a slice becomes.
#include <algorithm>

#include "analysis/rules.h"

namespace tinyml::analysis {
namespace {

constexpr const char* kWritten = "it is written over in part";

/// slice_scatter(x, source, dim, start, end, step): what is written over goes with what is written there.
void propagate_slice_scatter(Propagation& p, const Node& node) {
  const ValueId input = operand(node, 0), source = operand(node, 1), output = node.outputs[0];
  const int64_t dim = wrap_dim(node.arg("dim").as_int(), p.rank(input));
  const int64_t size = p.sizes(input)[static_cast<size_t>(dim)];
  const int64_t count = p.sizes(source)[static_cast<size_t>(dim)];
  const Argument& begin = node.arg("start");
  Operand all = aligned(p, input), part = aligned(p, source);
  if (count == size) {
    return p.set(output, p.join({all, part}, p.sizes(output), ZeroRule::kAll));
  }
  const bool is_plain = node.arg("step").as_int() == 1 && !begin.is_value() && !node.arg("end").is_value() &&
                        count > 1 && p.isolate(input, dim) != nullptr && p.isolate(source, dim) != nullptr;
  if (!is_plain) {
    p.fix(input, dim, kWritten);
    p.fix(source, dim, kWritten);
    part.dims[static_cast<size_t>(dim)] = -1;
    return p.set(output, p.join({all, part}, p.sizes(output), ZeroRule::kAll));
  }
  int64_t start = begin.is_none() ? 0 : begin.as_int();
  start = std::clamp<int64_t>(start < 0 ? start + size : start, 0, size);
  Block own = *block_at(p.blocks(input), dim);
  const Block other = *block_at(p.blocks(source), dim);
  for (int64_t i = 0; i < count; ++i) {
    p.labels().unite((*own.labels)[static_cast<size_t>(start + i)], (*other.labels)[static_cast<size_t>(i)]);
  }
  own.zero = own.zero && other.zero;
  all.dims[static_cast<size_t>(dim)] = part.dims[static_cast<size_t>(dim)] = -1;
  Blocks result = p.join({all, part}, p.sizes(output), ZeroRule::kAll);
  result.push_back(std::move(own));
  p.set(output, std::move(result));
}

/// select_scatter(x, source, dim, index): one index of `dim`, which stays.
void propagate_select_scatter(Propagation& p, const Node& node) {
  const ValueId input = operand(node, 0), source = operand(node, 1), output = node.outputs[0];
  const int64_t dim = wrap_dim(node.arg("dim").as_int(), p.rank(input));
  p.isolate(input, dim);
  p.fix(input, dim, kWritten);
  Operand part = aligned(p, source);
  for (int64_t& each : part.dims) each += each >= dim ? 1 : 0;
  p.set(output, p.join({aligned(p, input), part}, p.sizes(output), ZeroRule::kAll));
}

}  // namespace

void add_scatter_rules(Rules& rules) {
  add_rules(rules, {"aten.slice_scatter.default"}, propagate_slice_scatter);
  add_rules(rules, {"aten.select_scatter.default"}, propagate_select_scatter);
}

}  // namespace tinyml::analysis
