#include "analysis/rules.h"

namespace tinyml::analysis {
namespace {

/// pad(x, [before and after of the last dimension, of the one before, ...]). Constant entries padded to a dimension
/// that shrinks have labels of their own; other modes read neighbours, so the dimension is fixed.
void pad_labels(Propagation& p, ValueId input, ValueId output, const std::vector<int64_t>& pads, bool constant,
                double value) {
  const int64_t rank = p.rank(input);
  std::vector<int64_t> widened;
  for (int64_t i = 0; i < static_cast<int64_t>(pads.size()) / 2; ++i) {
    const int64_t before = pads[static_cast<size_t>(2 * i)], after = pads[static_cast<size_t>(2 * i + 1)];
    const int64_t dim = rank - 1 - i;
    if (before == 0 && after == 0) continue;
    if (!constant || before < 0 || after < 0) {
      p.fix(input, dim, "it is padded from its own entries, or cropped");
    } else if (p.isolate(input, dim) != nullptr) {
      widened.push_back(dim);
    }
  }
  Blocks result = p.blocks(input);
  for (Block& block : result) {
    block.zero = block.zero && value == 0.0;
    for (int64_t dim : widened) {
      if (block.dims != std::vector<int64_t>{dim}) continue;
      const auto at = static_cast<size_t>(2 * (rank - 1 - dim));
      auto labels = std::make_shared<Labels>(*p.labels().fresh(pads[at]));
      labels->insert(labels->end(), block.labels->begin(), block.labels->end());
      const LabelList after = p.labels().fresh(pads[at + 1]);
      labels->insert(labels->end(), after->begin(), after->end());
      block.shape[0] = static_cast<int64_t>(labels->size());
      block.labels = std::move(labels);
    }
  }
  p.set(output, std::move(result));
}

}  // namespace

void add_pad_rules(Rules& rules) {
  add_rules(rules, {"aten.pad.default"}, [](Propagation& p, const Node& node) {
    const Argument& value = node.arg("value");
    pad_labels(p, operand(node), node.outputs[0], node.arg("pad").as_ints(), node.arg("mode").as_string() == "constant",
               value.is_none() ? 0.0 : value.as_double());
  });
  add_rules(rules, {"aten.constant_pad_nd.default"}, [](Propagation& p, const Node& node) {
    pad_labels(p, operand(node), node.outputs[0], node.arg("pad").as_ints(), true, node.arg("value").as_double());
  });
  add_rules(rules,
            {"aten.reflection_pad1d.default", "aten.reflection_pad2d.default", "aten.reflection_pad3d.default",
             "aten.replication_pad1d.default", "aten.replication_pad2d.default", "aten.replication_pad3d.default"},
            [](Propagation& p, const Node& node) {
              pad_labels(p, operand(node), node.outputs[0], node.arg("padding").as_ints(), false, 0.0);
            });
}

}  // namespace tinyml::analysis
