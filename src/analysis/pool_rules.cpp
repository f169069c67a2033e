#include "analysis/rules.h"

namespace tinyml::analysis {
namespace {

/// Operators over the last `spatial` dimensions that treat every other index alike.
Rule window_rule(int64_t spatial) {
  return [spatial](Propagation& p, const Node& node) {
    const ValueId input = operand(node);
    for (int64_t i = 1; i <= spatial; ++i) p.fix(input, p.rank(input) - i, "windows slide over it");
    for (ValueId output : node.outputs) {
      if (output != kNoValue) p.copy(input, output, true);
    }
  };
}

/// grid_sample(x, grid): places come from the grid, which all channels of an image share.
void propagate_grid_sampler(Propagation& p, const Node& node) {
  const ValueId input = operand(node, 0), grid = operand(node, 1);
  for (int64_t dim = 2; dim < p.rank(input); ++dim) p.fix(input, dim, "it is sampled at places");
  for (int64_t dim = 1; dim < p.rank(grid); ++dim) p.fix(grid, dim, "it holds places to sample at");
  p.link(input, 0, grid, 0, "each image has places of its own");
  p.copy(input, node.outputs[0], true);
}

}  // namespace

void add_pool_rules(Rules& rules) {
  add_rules(rules,
            {"aten.max_pool1d.default", "aten.avg_pool1d.default", "aten.adaptive_avg_pool1d.default",
             "aten.adaptive_max_pool1d.default", "aten.upsample_nearest1d.default", "aten.upsample_nearest1d.vec",
             "aten.upsample_linear1d.default", "aten.upsample_linear1d.vec", "aten.max_pool1d_with_indices.default",
             "aten._upsample_nearest_exact1d.default", "aten._upsample_nearest_exact1d.vec"},
            window_rule(1));
  add_rules(
      rules,
      {"aten.max_pool2d.default", "aten.avg_pool2d.default", "aten.adaptive_avg_pool2d.default",
       "aten._adaptive_avg_pool2d.default", "aten.adaptive_max_pool2d.default", "aten.max_pool2d_with_indices.default",
       "aten.upsample_nearest2d.default", "aten.upsample_nearest2d.vec", "aten.upsample_bilinear2d.default",
       "aten.upsample_bilinear2d.vec", "aten.upsample_bicubic2d.default", "aten.upsample_bicubic2d.vec",
       "aten._upsample_nearest_exact2d.default", "aten._upsample_nearest_exact2d.vec",
       "aten._upsample_bilinear2d_aa.default", "aten._upsample_bilinear2d_aa.vec",
       "aten._upsample_bicubic2d_aa.default", "aten._upsample_bicubic2d_aa.vec"},
      window_rule(2));
  add_rules(rules,
            {"aten.max_pool3d.default", "aten.avg_pool3d.default", "aten.adaptive_avg_pool3d.default",
             "aten.adaptive_max_pool3d.default", "aten.upsample_nearest3d.default", "aten.upsample_nearest3d.vec",
             "aten.upsample_trilinear3d.default", "aten.upsample_trilinear3d.vec", "aten._adaptive_avg_pool3d.default",
             "aten.max_pool3d_with_indices.default", "aten._upsample_nearest_exact3d.default",
             "aten._upsample_nearest_exact3d.vec"},
            window_rule(3));
  add_rules(rules, {"aten.grid_sampler.default", "aten.grid_sampler_2d.default", "aten.grid_sampler_3d.default"},
            propagate_grid_sampler);
}

}  // namespace tinyml::analysis
