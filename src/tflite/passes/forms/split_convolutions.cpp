#include <algorithm>

#include "tflite/constant_values.h"
#include "tflite/passes/forms/convolution_view.h"
#include "tflite/passes/forms/forms.h"

namespace tinyml::tflite {
namespace {

// Rows [first, first + count) of the outermost dimension, with their scales.
Tensor rows(const Tensor& tensor, int32_t first, int32_t count) {
  Shape shape = tensor.shape;
  shape[0] = count;
  const int64_t inner = element_count(tensor.shape) / tensor.shape[0];
  int64_t next = first * inner;
  Tensor result = remap_constant(tensor, shape, [&](const Shape&) { return next++; });
  if (tensor.quantization.per_channel()) {
    const auto cut = [&](auto& values) { values = {values.begin() + first, values.begin() + first + count}; };
    cut(result.quantization.scale);
    cut(result.quantization.zero_point);
  }
  return result;
}

constexpr int32_t kTile = 16;  // Output channels that XNNPACK's kernels compute at once.
int32_t tiles(int32_t channels) { return (channels + kTile - 1) / kTile; }

/// Channels [first, first + count) as somebody reads them, by a SLICE of the convolution's result.
struct Part {
  int32_t first, count;
  int slice;
};

/// The parts in order, when nobody reads anything else of `x` and no channel is in two parts.
std::vector<Part> read_parts(const Editor& editor, int x) {
  std::vector<Part> parts;
  const Shape& whole = editor.tensor(x).shape;
  for (const Use& use : editor.consumers(x)) {
    if (use.op == kGraphOutput || use.input != 0 || editor.op(use.op).op != Op::SLICE) return {};
    const Operator& slice = editor.op(use.op);
    const auto begin = constant_integers(editor.subgraph(), slice, 1);
    const Tensor& part = editor.tensor(slice.outputs[0]);
    if (!begin || begin->size() != 4 || part.quantization != editor.tensor(x).quantization) return {};
    for (size_t i = 0; i < 3; ++i) {
      if ((*begin)[i] != 0 || part.shape[i] != whole[i]) return {};
    }
    parts.push_back({static_cast<int32_t>((*begin)[3]), part.shape[3], use.op});
  }
  std::sort(parts.begin(), parts.end(), [](const Part& a, const Part& b) { return a.first < b.first; });
  for (size_t i = 1; i < parts.size(); ++i) {
    if (parts[i].first < parts[i - 1].first + parts[i - 1].count) return {};
  }
  return parts;
}

using Ranges = std::vector<std::pair<size_t, size_t>>;  ///< Parts [first, second) of each convolution.

/// Which neighbouring parts one convolution should make, so that the fewest channels are copied by SLICEs and no more
/// tiles are computed than by one for all.
Ranges choose_ranges(const std::vector<Part>& parts, int32_t channels) {
  struct Best {
    int64_t copied = -1;  // -1: there is no way.
    size_t from = 0;
  };
  const auto budget = static_cast<size_t>(tiles(channels));
  // best[n][t]: the first n parts by convolutions of t tiles.
  std::vector<std::vector<Best>> best(parts.size() + 1, std::vector<Best>(budget + 1));
  best[0][0].copied = 0;
  for (size_t n = 1; n <= parts.size(); ++n) {
    int64_t inside = 0;
    for (size_t from = n; from-- > 0;) {
      inside += parts[from].count + kTile;  // An operator costs something by itself.
      const int32_t made = parts[n - 1].first + parts[n - 1].count - parts[from].first;
      const auto needed = static_cast<size_t>(tiles(made));
      for (size_t t = needed; t <= budget; ++t) {
        const Best& before = best[from][t - needed];
        if (before.copied < 0) continue;
        const int64_t copied = before.copied + (from + 1 == n ? 0 : inside);
        if (best[n][t].copied < 0 || copied < best[n][t].copied) best[n][t] = {copied, from};
      }
    }
  }
  size_t at = 0;
  for (size_t t = 0; t <= budget; ++t) {
    const int64_t copied = best.back()[t].copied;
    if (copied >= 0 && (best.back()[at].copied < 0 || copied < best.back()[at].copied)) at = t;
  }
  Ranges ranges;
  for (size_t n = parts.size(); n > 0;) {
    const size_t from = best[n][at].from;
    ranges.insert(ranges.begin(), {from, n});
    at -= static_cast<size_t>(tiles(parts[n - 1].first + parts[n - 1].count - parts[from].first));
    n = from;
  }
  return ranges;
}

/// The convolution for some of its output channels.
void add_part(Editor& editor, const Operator& conv, int32_t first, int32_t count, int out) {
  Operator part = conv;
  part.inputs[1] = editor.add_tensor(rows(editor.tensor(conv.inputs[1]), first, count));
  part.inputs[2] = editor.add_tensor(rows(editor.tensor(conv.inputs[2]), first, count));
  part.outputs = {out};
  editor.add_operator(std::move(part));
}

bool has_groups(const Editor& editor, const Operator& conv) {
  return editor.tensor(conv.inputs[1]).shape[3] != editor.tensor(conv.inputs[0]).shape[3];
}

bool split_for_split(Editor& editor, int o, const FormPolicy& policy) {
  const Operator split = editor.op(o);
  if (split.op != Op::SPLIT || split.inputs.size() != 2) return false;
  const auto axis = constant_integers(editor.subgraph(), split, 0);
  const int x = split.inputs[1];
  const int made_by = editor.producer_of_kind(x, Op::CONV_2D);
  if (!axis || made_by == kNoProducer || editor.only_consumer(x) != o) return false;
  if (editor.tensor(x).rank() != 4 || normalized_axis((*axis)[0], 4) != 3) return false;
  const auto view = view_convolution(editor, made_by);
  if (!view || !policy.uses(Form::kSplit, view->quantized)) return false;
  const Operator conv = editor.op(made_by);
  if (has_groups(editor, conv)) return false;
  for (const int out : split.outputs) {
    if (editor.tensor(out).quantization != editor.tensor(x).quantization) return false;
  }
  editor.remove(o);
  editor.remove(made_by);
  int32_t first = 0;
  for (const int out : split.outputs) {
    const int32_t count = editor.tensor(out).shape[3];
    add_part(editor, conv, first, count, out);
    first += count;
  }
  return true;
}

bool split_for_slices(Editor& editor, int o, const FormPolicy& policy) {
  if (editor.op(o).op != Op::CONV_2D) return false;
  const auto view = view_convolution(editor, o);
  if (!view || !policy.uses(Form::kSplit, view->quantized)) return false;
  const Operator conv = editor.op(o);
  const int x = conv.outputs[0];
  const std::vector<Part> parts = read_parts(editor, x);
  if (parts.size() < 2 || has_groups(editor, conv)) return false;
  const Ranges ranges = choose_ranges(parts, editor.tensor(x).shape[3]);
  if (ranges.size() < 2) return false;
  editor.remove(o);
  for (const auto& [from, to] : ranges) {
    const int32_t first = parts[from].first;
    const int32_t count = parts[to - 1].first + parts[to - 1].count - first;
    if (to == from + 1) {
      const int out = editor.op(parts[from].slice).outputs[0];
      editor.remove(parts[from].slice);
      add_part(editor, conv, first, count, out);
      continue;
    }
    Shape shape = editor.tensor(x).shape;
    shape[3] = count;
    const int made = add_like(editor, x, shape, "_part");
    add_part(editor, conv, first, count, made);
    for (size_t i = from; i < to; ++i) {
      const int begin = editor.add_integers("begin", {0, 0, 0, parts[i].first - first});
      editor.set_inputs(parts[i].slice, {made, begin, editor.op(parts[i].slice).inputs[2]});
    }
  }
  return true;
}

}  // namespace

int split_convolutions(Subgraph& subgraph, const FormPolicy& policy) {
  Editor editor(subgraph);
  int changes = 0;
  const int count = editor.count();
  for (int o = 0; o < count; ++o) changes += editor.is_live(o) && split_for_split(editor, o, policy) ? 1 : 0;
  for (int o = 0; o < count; ++o) changes += editor.is_live(o) && split_for_slices(editor, o, policy) ? 1 : 0;
  editor.finish();
  return changes;
}

}  // namespace tinyml::tflite
