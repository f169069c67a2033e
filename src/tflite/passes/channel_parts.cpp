#include "tflite/passes/channel_parts.h"

#include <algorithm>

#include "tflite/constant_values.h"
#include "tinyml/error.h"

namespace tinyml::tflite {
namespace {

constexpr size_t kMostParts = 5;  // Of a CONCATENATION that XNNPACK runs.

bool is_last(int64_t axis, int rank) { return axis == -1 || axis == rank - 1; }

// Same type and scale, and the same sizes but for the last.
bool differs_in_channels_only(const Tensor& a, const Tensor& b) {
  return a.type == b.type && a.quantization == b.quantization && !a.quantization.per_channel() &&
         a.rank() == b.rank() && a.rank() > 0 && std::equal(a.shape.begin(), a.shape.end() - 1, b.shape.begin());
}

// The channels that a SLICE starts at, when it takes everything along the other axes.
bool slices_channels(const Editor& editor, const Operator& op) {
  const auto begin = constant_integers(editor.subgraph(), op, 1);
  if (!begin || begin->empty()) return false;
  return std::all_of(begin->begin(), begin->end() - 1, [](int64_t b) { return b == 0; });
}

}  // namespace

Channels whole_channels(const Editor& editor, int tensor) {
  Channels channels;
  const int count = editor.tensor(tensor).shape.back();
  for (int c = 0; c < count; ++c) channels.push_back({tensor, c});
  return channels;
}

std::vector<ChannelRange> ranges_of(const Channels& channels) {
  std::vector<ChannelRange> ranges;
  for (const Channel& channel : channels) {
    if (!ranges.empty() && ranges.back().source == channel.source &&
        ranges.back().begin + ranges.back().size == channel.index) {
      ++ranges.back().size;
    } else {
      ranges.push_back({channel.source, channel.index, 1});
    }
  }
  return ranges;
}

std::vector<int> selected_inputs(const Editor& editor, int o) {
  const Operator& op = editor.op(o);
  if (op.op == Op::CONCATENATION) return op.inputs;
  return {op.inputs[op.op == Op::SPLIT ? 1 : 0]};
}

bool selects_channels(const Editor& editor, int o) {
  const Operator& op = editor.op(o);
  if (op.channels_first || op.inputs.empty()) return false;
  const auto is_constant_vector = [&](size_t slot) {
    return constant_integers(editor.subgraph(), op, slot).has_value();
  };
  switch (op.op) {
    case Op::CONCATENATION: {
      const auto& options = std::get<ConcatenationOptions>(op.options);
      if (options.activation != Activation::NONE || !is_last(options.axis, editor.tensor(op.inputs[0]).rank())) {
        return false;
      }
      break;
    }
    case Op::GATHER: {
      const auto& options = std::get<GatherOptions>(op.options);
      if (options.batch_dims != 0 || !is_last(options.axis, editor.tensor(op.inputs[0]).rank())) return false;
      if (!is_constant_vector(1) || editor.tensor(op.inputs[1]).rank() != 1) return false;
      break;
    }
    case Op::SLICE:
      if (!slices_channels(editor, op)) return false;
      break;
    case Op::SPLIT:
    case Op::SPLIT_V: {
      const auto axis = constant_integers(editor.subgraph(), op, op.op == Op::SPLIT ? 0 : 2);
      const Tensor& x = editor.tensor(op.inputs[op.op == Op::SPLIT ? 1 : 0]);
      if (!axis || axis->size() != 1 || !is_last(axis->front(), x.rank())) return false;
      break;
    }
    default:
      return false;
  }
  for (const int in : selected_inputs(editor, o)) {
    if (in == kNoTensor || editor.tensor(in).is_constant()) return false;
    for (const int out : op.outputs) {
      if (!differs_in_channels_only(editor.tensor(in), editor.tensor(out))) return false;
    }
  }
  return true;
}

std::vector<Channels> select_channels(const Editor& editor, int o, const std::vector<Channels>& inputs) {
  const Operator& op = editor.op(o);
  std::vector<Channels> results;
  if (op.op == Op::CONCATENATION) {
    Channels all;
    for (const Channels& part : inputs) all.insert(all.end(), part.begin(), part.end());
    return {std::move(all)};
  }
  if (op.op == Op::GATHER) {
    const auto indices = constant_integers(editor.subgraph(), op, 1);
    Channels picked;
    for (const int64_t i : *indices) picked.push_back(inputs[0].at(static_cast<size_t>(i)));
    return {std::move(picked)};
  }
  size_t at = 0;
  if (op.op == Op::SLICE) at = static_cast<size_t>(constant_integers(editor.subgraph(), op, 1)->back());
  for (const int out : op.outputs) {
    const auto size = static_cast<size_t>(editor.tensor(out).shape.back());
    TINYML_CHECK(at + size <= inputs[0].size());
    const auto first = inputs[0].begin() + static_cast<std::ptrdiff_t>(at);
    results.emplace_back(first, first + static_cast<std::ptrdiff_t>(size));
    at += size;
  }
  return results;
}

namespace {

Tensor resized(const Tensor& like, const char* suffix, int channels) {
  Tensor tensor = like;
  tensor.name += suffix;
  tensor.buffer = Buffer();
  tensor.shape.back() = channels;
  if (!tensor.shape_signature.empty()) tensor.shape_signature.back() = channels;
  return tensor;
}

int slice_channels(Editor& editor, const ChannelRange& range) {
  const Tensor source = editor.tensor(range.source);
  if (range.size == source.shape.back()) return range.source;
  std::vector<int32_t> begin(source.shape.size(), 0);
  std::vector<int32_t> size = source.shape_signature.empty() ? source.shape : source.shape_signature;  // -1: all.
  begin.back() = range.begin;
  size.back() = range.size;
  Operator slice;
  slice.op = Op::SLICE;
  slice.inputs = {range.source, editor.add_integers("begin", begin), editor.add_integers("size", size)};
  slice.outputs = {editor.add_tensor(resized(source, "_part", range.size))};
  const int out = slice.outputs[0];
  editor.add_operator(std::move(slice));
  return out;
}

int concatenate(Editor& editor, const std::vector<int>& parts, int like) {
  int channels = 0;
  for (const int part : parts) channels += editor.tensor(part).shape.back();
  Operator op;
  op.op = Op::CONCATENATION;
  op.inputs = parts;
  op.options = ConcatenationOptions{.axis = editor.tensor(like).rank() - 1};
  op.outputs = {editor.add_tensor(resized(editor.tensor(like), "_joined", channels))};
  const int out = op.outputs[0];
  editor.add_operator(std::move(op));
  return out;
}

// The neighbouring parts, at most kMostParts and enough to come down to that many, of the least size: {first, count}.
std::pair<size_t, size_t> smallest_neighbours(const std::vector<int>& sizes) {
  const size_t count = std::min(kMostParts, sizes.size() - kMostParts + 1);
  size_t best = 0;
  int64_t least = INT64_MAX;
  for (size_t first = 0; first + count <= sizes.size(); ++first) {
    int64_t total = 0;
    for (size_t i = first; i < first + count; ++i) total += sizes[i];
    if (total < least) least = total, best = first;
  }
  return {best, count};
}

}  // namespace

int emit_channels(Editor& editor, const std::vector<ChannelRange>& ranges, int like) {
  std::vector<int> parts;
  std::vector<int> sizes;
  for (const ChannelRange& range : ranges) {
    parts.push_back(slice_channels(editor, range));
    sizes.push_back(range.size);
  }
  while (parts.size() > kMostParts) {
    const auto [first, count] = smallest_neighbours(sizes);
    const auto begin = static_cast<std::ptrdiff_t>(first);
    const auto end = static_cast<std::ptrdiff_t>(first + count);
    const int joined = concatenate(editor, {parts.begin() + begin, parts.begin() + end}, like);
    parts.erase(parts.begin() + begin + 1, parts.begin() + end);
    sizes.erase(sizes.begin() + begin + 1, sizes.begin() + end);
    parts[first] = joined;
    sizes[first] = editor.tensor(joined).shape.back();
  }
  return parts.size() == 1 ? parts[0] : concatenate(editor, parts, like);
}

SelectionCost cost_of(const Editor& editor, const std::vector<ChannelRange>& ranges) {
  SelectionCost cost;
  std::vector<int> sizes;
  int64_t written = 0;  // In channels.
  for (const ChannelRange& range : ranges) {
    sizes.push_back(range.size);
    if (range.size == editor.tensor(range.source).shape.back()) continue;
    written += range.size;
    ++cost.operators;
  }
  while (sizes.size() > 1) {
    const auto [first, count] =
        sizes.size() > kMostParts ? smallest_neighbours(sizes) : std::pair<size_t, size_t>{0, sizes.size()};
    for (size_t i = 1; i < count; ++i) {
      sizes[first] += sizes[first + 1];
      sizes.erase(sizes.begin() + static_cast<std::ptrdiff_t>(first) + 1);
    }
    written += sizes[first];
    ++cost.operators;
  }
  if (!ranges.empty()) {
    const Tensor& like = editor.tensor(ranges[0].source);
    cost.bytes = written * byte_count(like.type, like.shape) / std::max(1, like.shape.back());
  }
  return cost;
}

}  // namespace tinyml::tflite
