#include "analysis/contraction.h"
#include "analysis/rules.h"

namespace tinyml::analysis {
namespace {

struct Convolution {
  ValueId input;
  ValueId weight;
  ValueId bias;
  ValueId output;
  int64_t groups;
  bool transposed;
  int64_t channel;  ///< Dimension of input and output.
};

/// One group a channel, or a group with one channel in or out: a group goes as a whole, taking all its channels along.
void propagate_whole_groups(Propagation& p, const Convolution& conv, const LabelList& in, int64_t in_run,
                            int64_t out_dim, int64_t out_run) {
  const char* why = "the groups of a convolution read channels that cannot be removed";
  if (in == nullptr) {
    if (out_dim == 0) p.fix(conv.weight, 0, why);
    p.set_grouped(conv.weight, conv.groups, nullptr, AxisRole::kConsumer);
    return;
  }
  const LabelList per_group = in_run == 1 ? in : p.unite_runs(in, in_run);
  LabelList out = in;
  if (in_run != out_run) {
    auto replicated = std::make_shared<Labels>();
    for (Label label : *per_group) replicated->insert(replicated->end(), static_cast<size_t>(out_run), label);
    out = std::move(replicated);
  }
  const LabelList& rows = out_dim == 0 ? out : in;
  const LabelList& columns = out_dim == 0 ? in : out;
  if (!p.link(rows, conv.weight, 0, why)) p.pin(out, why);
  p.set_role(conv.weight, 0, AxisRole::kProducer);
  p.set_grouped(conv.weight, conv.groups, columns, AxisRole::kFollower);
  p.set(conv.output, {{{conv.channel}, {static_cast<int64_t>(out->size())}, out, true}});
}

/// Every group keeps equally many input channels and equally many output channels; which ones is each group's affair.
void propagate_grouped(Propagation& p, const Convolution& conv, const LabelList& in, int64_t out_channels,
                       int64_t out_dim) {
  const char* why = "a grouped convolution reads channels that cannot be removed";
  const int64_t groups = conv.groups;
  if (in != nullptr) p.require_rectangle({groups, static_cast<int64_t>(in->size()) / groups}, {true, false}, in);
  LabelList out;
  if (out_dim == 0) {
    out = p.isolate(conv.weight, 0);
    p.set_role(conv.weight, 0, AxisRole::kProducer);
    p.set_grouped(conv.weight, groups, in, AxisRole::kConsumer);
  } else {
    p.link(in, conv.weight, 0, why);
    p.set_role(conv.weight, 0, AxisRole::kConsumer);
    out = p.labels().fresh(out_channels);
    p.set_grouped(conv.weight, groups, out, AxisRole::kProducer);
  }
  if (out == nullptr) return;
  p.require_rectangle({groups, out_channels / groups}, {true, false}, out);
  p.set(conv.output, {{{conv.channel}, {out_channels}, out, true}});
}

bool is_zero_along(const Propagation& p, ValueId value, int64_t dim) {
  const Block* block = block_at(p.known_blocks(value), dim);
  return block != nullptr && block->zero;
}

/// A weight computed for every group (modulated convolutions make each sample of a batch a group): all groups lose the
/// same columns, and equally many rows.
void propagate_computed_groups(Propagation& p, const Convolution& conv, const LabelList& in, int64_t out_channels,
                               int64_t in_dim) {
  const char* why = "the weight of a grouped convolution is computed";
  LabelList columns, rows;
  if (in_dim == 1 && in != nullptr && is_zero_along(p, conv.weight, 1)) columns = p.isolate(conv.weight, 1);
  if (columns != nullptr) {
    p.require_rectangle({conv.groups, static_cast<int64_t>(columns->size())}, {true, false}, in);
    for (size_t i = 0; i < in->size(); ++i) p.labels().unite((*in)[i], (*columns)[i % columns->size()]);
    mark_role(p, conv.weight, 1, AxisRole::kConsumer);
  } else {
    p.fix(conv.input, conv.channel, why);
    p.fix(conv.weight, 1, why);
  }
  if (in_dim == 1) rows = p.isolate(conv.weight, 0);
  if (rows == nullptr) return p.fix(conv.weight, 0, why);
  p.require_rectangle({conv.groups, out_channels / conv.groups}, {true, false}, rows);
  mark_role(p, conv.weight, 0, AxisRole::kProducer);
  p.set(conv.output, {{{conv.channel}, {out_channels}, rows, is_zero_along(p, conv.weight, 0)}});
}

void propagate(Propagation& p, const Convolution& conv) {
  const int64_t spatial = p.rank(conv.weight) - 2;
  const char* why = "a convolution slides over it";
  for (int64_t dim = p.rank(conv.input) - 1; dim > conv.channel; --dim) p.fix(conv.input, dim, why);
  for (int64_t dim = 2; dim < 2 + spatial; ++dim) p.fix(conv.weight, dim, why);
  for (int64_t dim = 0; dim < conv.channel; ++dim) p.fix(conv.input, dim, "it is the batch of a convolution");

  const int64_t in_dim = conv.transposed ? 0 : 1;
  const int64_t out_dim = 1 - in_dim;
  const int64_t out_channels = p.sizes(conv.output)[static_cast<size_t>(conv.channel)];
  const LabelList in = p.isolate(conv.input, conv.channel);
  if (conv.groups == 1) {
    if (in == nullptr || !p.link(in, conv.weight, in_dim, "a convolution reads channels that cannot be removed")) {
      p.fix(conv.weight, in_dim, "a convolution reads channels that cannot be removed");
      p.fix(conv.input, conv.channel, "a convolution's input columns cannot be removed");
    } else if (!p.is_binding(conv.weight)) {
      if (!is_zero_along(p, conv.weight, in_dim))
        p.fix(conv.input, conv.channel, "the weight of a convolution is computed, and not zero where it is cut");
    }
    mark_role(p, conv.weight, in_dim, AxisRole::kConsumer);
    mark_role(p, conv.weight, out_dim, AxisRole::kProducer);
    if (const LabelList out = p.isolate(conv.weight, out_dim); out != nullptr) {
      const bool zero = p.is_binding(conv.weight) || is_zero_along(p, conv.weight, out_dim);
      p.set(conv.output, {{{conv.channel}, {out_channels}, out, zero}});
    }
  } else if (!p.is_binding(conv.weight)) {
    propagate_computed_groups(p, conv, in, out_channels, in_dim);
  } else {
    const int64_t in_run = p.sizes(conv.input)[static_cast<size_t>(conv.channel)] / conv.groups;
    const int64_t out_run = out_channels / conv.groups;
    if (in_run == 1 || out_run == 1) {
      propagate_whole_groups(p, conv, in, in_run, out_dim, out_run);
    } else {
      propagate_grouped(p, conv, in, out_channels, out_dim);
    }
  }
  if (conv.bias == kNoValue) return;
  Blocks blocks = p.known_blocks(conv.output);
  if (blocks.empty()) {
    p.fix_all(conv.bias, "its convolution cannot be pruned");
  } else if (!p.link(blocks[0].labels, conv.bias, 0, "its bias cannot be cut")) {
    p.fix(conv.output, conv.channel, "its bias cannot be cut");
  } else {
    bool zero = p.is_binding(conv.bias);
    for (const Block& block : p.known_blocks(conv.bias)) zero = zero || block.zero;
    blocks[0].zero = blocks[0].zero && zero;
    p.set(conv.output, std::move(blocks));
  }
}

Rule convolution_rule(bool transposed) {
  return [transposed](Propagation& p, const Node& node) {
    Convolution conv{operand(node, 0),
                     operand(node, 1),
                     optional_operand(node, "bias"),
                     node.outputs[0],
                     node.arg("groups").as_int(),
                     transposed,
                     1};
    if (node.has_arg("transposed")) conv.transposed = node.arg("transposed").as_bool();
    conv.channel = p.rank(conv.input) - (p.rank(conv.weight) - 2) - 1;
    propagate(p, conv);
  };
}

}  // namespace

void add_convolution_rules(Rules& rules) {
  add_rules(rules,
            {"aten.conv1d.default", "aten.conv2d.default", "aten.conv3d.default", "aten.conv1d.padding",
             "aten.conv2d.padding", "aten.conv3d.padding", "aten.convolution.default"},
            convolution_rule(false));
  add_rules(rules, {"aten.conv_transpose1d.default", "aten.conv_transpose2d.input", "aten.conv_transpose3d.input"},
            convolution_rule(true));
}

}  // namespace tinyml::analysis
