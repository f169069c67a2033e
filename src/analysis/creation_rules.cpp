#include "analysis/rules.h"

namespace tinyml::analysis {
namespace {

/// One value everywhere: the tensor takes whatever size it is combined with.
void propagate_fill(Propagation& p, const Node& node) {
  const ValueId output = node.outputs[0];
  Blocks blocks;
  for (int64_t dim = 0; dim < p.rank(output); ++dim) {
    const int64_t size = p.sizes(output)[static_cast<size_t>(dim)];
    if (size > 1) blocks.push_back({{dim}, {size}, p.labels().fresh(size), node.op.find("zeros") != std::string::npos});
  }
  p.set(output, std::move(blocks));
}

/// Its shape is what it says: nothing shrinks.
void propagate_nothing(Propagation&, const Node&) {}

/// embedding(weight, indices): rows are looked up, columns are channels.
void propagate_embedding(Propagation& p, const Node& node) {
  const ValueId weight = operand(node, 0), output = node.outputs[0];
  p.fix(weight, 0, "its rows are looked up by index");
  p.fix_all(operand(node, 1), "it holds indices");
  p.set_role(weight, 1, AxisRole::kProducer);
  if (const LabelList labels = p.isolate(weight, 1); labels != nullptr) {
    const int64_t last = p.rank(output) - 1;
    p.set(output, {{{last}, {static_cast<int64_t>(labels->size())}, labels, true}});
  }
}

/// embedding_bag(weight, indices, offsets): sums, means or maxima of rows; columns are channels.
void propagate_embedding_bag(Propagation& p, const Node& node) {
  const ValueId weight = operand(node, 0);
  for (size_t i = 1; i < node.args.size(); ++i) {
    if (!node.args[i].value.is_value()) continue;
    const ValueId value = node.args[i].value.as_value();
    if (p.is_tensor(value)) p.fix_all(value, "it holds indices or their weights");
  }
  p.fix(weight, 0, "its rows are looked up by index");
  p.set_role(weight, 1, AxisRole::kProducer);
  if (const LabelList labels = p.isolate(weight, 1); labels != nullptr) {
    p.set(node.outputs[0], {{{1}, {static_cast<int64_t>(labels->size())}, labels, true}});
  }
}

void propagate_size(Propagation& p, const Node& node) {
  const ValueId input = operand(node);
  p.fix(input, wrap_dim(node.args[1].value.as_int(), p.rank(input)), "its size is read");
}

}  // namespace

void add_creation_rules(Rules& rules) {
  add_rules(rules,
            {"aten.zeros.default", "aten.ones.default", "aten.full.default", "aten.new_zeros.default",
             "aten.new_ones.default", "aten.new_full.default"},
            propagate_fill);
  add_rules(rules,
            {"aten.arange.default", "aten.arange.start", "aten.arange.start_step", "aten.scalar_tensor.default",
             "aten.eye.default", "aten.linspace.default", "aten.rand.default", "aten.randn.default"},
            propagate_nothing);
  add_rules(rules, {"aten.embedding.default"}, propagate_embedding);
  add_rules(rules, {"aten.embedding_bag.default", "aten.embedding_bag.padding_idx", "aten._embedding_bag.default"},
            propagate_embedding_bag);
  add_rules(rules, {"aten.sym_size.int"}, propagate_size);
}

}  // namespace tinyml::analysis
