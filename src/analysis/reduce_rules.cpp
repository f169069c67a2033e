#include <algorithm>
#include <set>

#include "analysis/rules.h"

namespace tinyml::analysis {
namespace {

enum class Reduction { kSum, kOther };

/// Sums what is left over `dims`. A sum over a dimension that shrinks is exact where the removed entries are zero; any
/// other reduction is not.
void reduce_labels(Propagation& p, ValueId input, const std::vector<ValueId>& outputs, const std::set<int64_t>& dims,
                   bool keepdim, Reduction kind) {
  for (auto dim = dims.rbegin(); dim != dims.rend(); ++dim) {
    const Blocks& blocks = p.blocks(input);
    for (const Block& block : blocks) {
      if (std::find(block.dims.begin(), block.dims.end(), *dim) == block.dims.end()) continue;
      if (kind == Reduction::kSum && block.zero && block.dims.size() == 1) break;
      p.fix(input, *dim, "a reduction runs over it, whose result removing channels would change");
      break;
    }
  }
  // What still holds a reduced dimension: a sum over zeros, or an outer dimension of a joint block, now fixed.
  for (int64_t dim : dims) {
    const Blocks& blocks = p.blocks(input);
    for (const Block& block : blocks) {
      if (block.dims.size() < 2 || std::find(block.dims.begin(), block.dims.end(), dim) == block.dims.end()) continue;
      p.isolate(input, block.dims.back());
      break;
    }
  }
  Blocks result;
  for (Block block : p.blocks(input)) {
    if (dims.contains(block.dims[0])) continue;
    if (!keepdim) {
      for (int64_t& dim : block.dims) {
        dim -= static_cast<int64_t>(std::count_if(dims.begin(), dims.end(), [&](int64_t d) { return d < dim; }));
      }
    }
    result.push_back(std::move(block));
  }
  for (ValueId output : outputs) {
    if (output != kNoValue) p.set(output, result);
  }
}

Rule reduction_rule(Reduction kind) {
  return [kind](Propagation& p, const Node& node) {
    const ValueId input = operand(node);
    std::set<int64_t> dims;
    if (node.has_arg("dim")) {
      for (int64_t dim : int_or_ints(node.arg("dim"))) dims.insert(wrap_dim(dim, p.rank(input)));
    }
    if (dims.empty()) {
      for (int64_t dim = 0; dim < p.rank(input); ++dim) dims.insert(dim);
    }
    const bool keepdim = node.has_arg("keepdim") && node.arg("keepdim").as_bool();
    reduce_labels(p, input, node.outputs, dims, keepdim, kind);
  };
}

/// A sum over `dim` of products of both operands. `norms`: also over the norms of each, so that a removed entry must be
/// zero in both.
Rule similarity_rule(bool norms) {
  return [norms](Propagation& p, const Node& node) {
    const ValueId a = operand(node, 0), b = operand(node, 1), output = node.outputs[0];
    const int64_t rank = std::max(p.rank(a), p.rank(b));
    std::vector<int64_t> space = p.rank(a) == rank ? p.sizes(a) : p.sizes(b);
    const ValueId other = p.rank(a) == rank ? b : a;
    for (int64_t dim = 0; dim < p.rank(other); ++dim) {
      int64_t& size = space[static_cast<size_t>(rank - p.rank(other) + dim)];
      size = std::max(size, p.sizes(other)[static_cast<size_t>(dim)]);
    }
    const int64_t summed = wrap_dim(node.arg("dim").as_int(), rank);
    Blocks result;
    for (Block& block :
         p.join({broadcast(p, a, rank), broadcast(p, b, rank)}, space, norms ? ZeroRule::kAll : ZeroRule::kAny)) {
      if (std::find(block.dims.begin(), block.dims.end(), summed) != block.dims.end()) {
        if (!block.zero || block.dims.size() > 1) p.pin(block.labels, "a sum runs over it, which removing it changes");
        continue;
      }
      block.zero = false;
      for (int64_t& dim : block.dims) dim -= dim > summed ? 1 : 0;
      result.push_back(std::move(block));
    }
    p.set(output, std::move(result));
  };
}

/// Normalised or accumulated along one dimension, which keeps its size.
void propagate_along(Propagation& p, const Node& node) {
  const ValueId input = operand(node);
  p.fix(input, wrap_dim(node.arg("dim").as_int(), p.rank(input)),
        "it is normalised or accumulated as a whole, which removing channels would change");
  for (ValueId output : node.outputs) {
    if (output != kNoValue) p.copy(input, output, false);
  }
}

}  // namespace

void add_reduce_rules(Rules& rules) {
  add_rules(rules, {"aten.cosine_similarity.default"}, similarity_rule(true));
  add_rules(rules, {"aten.linalg_vecdot.default"}, similarity_rule(false));
  add_rules(rules, {"aten.sum.dim_IntList", "aten.sum.default", "aten.nansum.default"},
            reduction_rule(Reduction::kSum));
  // A norm is a sum of powers, or the largest magnitude: zeros add nothing. Not so the number of nonzeros (order 0) and
  // the smallest magnitude.
  add_rules(rules, {"aten.norm.ScalarOpt_dim", "aten.norm.ScalarOpt_dim_dtype", "aten.linalg_vector_norm.default"},
            [](Propagation& p, const Node& node) {
              const Argument& order = node.args[1].value;
              const bool sums = !order.is_number() || order.as_double() > 0.0;
              reduction_rule(sums ? Reduction::kSum : Reduction::kOther)(p, node);
            });
  add_rules(rules,
            {"aten.mean.dim",
             "aten.mean.default",
             "aten.amax.default",
             "aten.amin.default",
             "aten.max.dim",
             "aten.min.dim",
             "aten.max.default",
             "aten.min.default",
             "aten.prod.default",
             "aten.prod.dim_int",
             "aten.var.correction",
             "aten.var.dim",
             "aten.std.correction",
             "aten.std.dim",
             "aten.argmax.default",
             "aten.argmin.default",
             "aten.logsumexp.default",
             "aten.all.default",
             "aten.any.default",
             "aten.all.dim",
             "aten.any.dim",
             "aten.all.dims",
             "aten.any.dims",
             "aten.var.default",
             "aten.std.default",
             "aten.var_mean.default",
             "aten.var_mean.dim",
             "aten.var_mean.correction",
             "aten.std_mean.default",
             "aten.std_mean.dim",
             "aten.std_mean.correction",
             "aten.median.default",
             "aten.median.dim",
             "aten.quantile.scalar",
             "aten.nanmean.default",
             "aten.kthvalue.default",
             "aten.aminmax.default",
             "aten.count_nonzero.default",
             "aten.count_nonzero.dim_IntList"},
            reduction_rule(Reduction::kOther));
  add_rules(
      rules,
      {"aten.softmax.int", "aten._softmax.default", "aten.log_softmax.int", "aten._log_softmax.default",
       "aten.cumsum.default", "aten.cumprod.default", "aten.sort.default", "aten.topk.default", "aten.sort.stable",
       "aten.argsort.default", "aten.argsort.stable", "aten.cummax.default", "aten.cummin.default",
       "aten.logcumsumexp.default", "aten.special_softmax.default", "aten.special_log_softmax.default"},
      propagate_along);
}

}  // namespace tinyml::analysis
