#include "analysis/index_space.h"
#include "analysis/rules.h"

namespace tinyml::analysis {
namespace {

constexpr const char* kWindows = "windows slide over it";
constexpr const char* kWhy = "pixels are shuffled between it and the channels";

/// Runs of so many channels of the input become one channel of the output each.
void unite_channels(Propagation& p, ValueId input, ValueId output, int64_t channel, int64_t run) {
  const LabelList labels = p.isolate(input, channel);
  Blocks result = p.blocks(input);
  for (Block& block : result) {
    if (block.dims[0] != channel || labels == nullptr) continue;
    block.labels = p.unite_runs(labels, run);
    block.shape[0] = static_cast<int64_t>(block.labels->size());
  }
  std::erase_if(result, [](const Block& block) { return block.shape[0] < 2; });
  if (labels != nullptr && p.sizes(output)[static_cast<size_t>(channel)] < 2)
    p.pin(labels, "it is the only channel left");
  p.set(output, std::move(result));
}

/// [C*r*r, H, W] -> [C, H*r, W*r]: the r*r channels of an output channel go together.
void propagate_pixel_shuffle(Propagation& p, const Node& node) {
  const ValueId input = operand(node), output = node.outputs[0];
  const int64_t factor = node.args[1].value.as_int(), channel = p.rank(input) - 3;
  p.fix(input, channel + 2, kWhy);
  p.fix(input, channel + 1, kWhy);
  unite_channels(p, input, output, channel, factor * factor);
}

/// The blocks of the input, each channel as often in a row as it becomes several.
Blocks repeat_channels(Propagation& p, ValueId input, int64_t channel, size_t times) {
  Blocks result = p.blocks(input);
  for (Block& block : result) {
    if (block.dims[0] != channel) continue;
    auto labels = std::make_shared<Labels>();
    for (Label label : *block.labels) labels->insert(labels->end(), times, label);
    block.shape[0] = static_cast<int64_t>(labels->size());
    block.labels = std::move(labels);
  }
  return result;
}

/// [C, H*r, W*r] -> [C*r*r, H, W]: each channel becomes r*r.
void propagate_pixel_unshuffle(Propagation& p, const Node& node) {
  const ValueId input = operand(node), output = node.outputs[0];
  const int64_t factor = node.args[1].value.as_int(), channel = p.rank(input) - 3;
  p.fix(input, channel + 2, kWhy);
  p.fix(input, channel + 1, kWhy);
  p.isolate(input, channel);
  p.set(output, repeat_channels(p, input, channel, static_cast<size_t>(factor * factor)));
}

/// im2col: [C, H, W] -> [C * places of the kernel, L]: each channel becomes as many.
void propagate_im2col(Propagation& p, const Node& node) {
  const ValueId input = operand(node), output = node.outputs[0];
  const int64_t channel = p.rank(input) - 3;
  p.fix(input, channel + 2, kWindows);
  p.fix(input, channel + 1, kWindows);
  p.isolate(input, channel);
  const auto places = static_cast<size_t>(analysis::product(int_or_ints(node.arg("kernel_size"))));
  p.set(output, repeat_channels(p, input, channel, places));
}

/// col2im: [C * places of the kernel, L] -> [C, H, W]: those of one channel go together.
void propagate_col2im(Propagation& p, const Node& node) {
  const ValueId input = operand(node), output = node.outputs[0];
  const int64_t channel = p.rank(input) - 2;
  p.fix(input, channel + 1, kWindows);
  unite_channels(p, input, output, channel, analysis::product(int_or_ints(node.arg("kernel_size"))));
}

/// [g, C/g] -> [C/g, g]: channel j of every group goes together, so that the order of those left is the same.
void propagate_channel_shuffle(Propagation& p, const Node& node) {
  const ValueId input = operand(node), output = node.outputs[0];
  const int64_t groups = node.args[1].value.as_int();
  const LabelList labels = p.isolate(input, 1);
  Blocks result = p.blocks(input);
  for (Block& block : result) {
    if (block.dims[0] != 1 || labels == nullptr) continue;
    const int64_t run = block.shape[0] / groups;
    auto shuffled = std::make_shared<Labels>();
    for (int64_t i = 0; i < run; ++i) {
      for (int64_t group = 0; group < groups; ++group) {
        const Label label = (*labels)[static_cast<size_t>(group * run + i)];
        shuffled->push_back(label);
        p.labels().unite(shuffled->at(static_cast<size_t>(i * groups)), label);
      }
    }
    block.labels = std::move(shuffled);
  }
  p.set(output, std::move(result));
}

}  // namespace

void add_shuffle_rules(Rules& rules) {
  add_rules(rules, {"aten.im2col.default"}, propagate_im2col);
  add_rules(rules, {"aten.col2im.default"}, propagate_col2im);
  add_rules(rules, {"aten.pixel_shuffle.default"}, propagate_pixel_shuffle);
  add_rules(rules, {"aten.pixel_unshuffle.default"}, propagate_pixel_unshuffle);
  add_rules(rules, {"aten.channel_shuffle.default", "aten.native_channel_shuffle.default"}, propagate_channel_shuffle);
}

}  // namespace tinyml::analysis
