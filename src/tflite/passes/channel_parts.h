// Channels (last dimension) of values by where they come from, through the operators that only select and join them.
#pragma once

#include <vector>

#include "tflite/passes/editor.h"

namespace tinyml::tflite {

/// Channel `index` of tensor `source`.
struct Channel {
  int source, index;
  bool operator==(const Channel&) const = default;
  auto operator<=>(const Channel&) const = default;
};
using Channels = std::vector<Channel>;

/// Neighbouring channels of one source.
struct ChannelRange {
  int source, begin, size;
};

/// All channels of a tensor, in their order.
Channels whole_channels(const Editor& editor, int tensor);

/// Maximal runs of neighbours.
std::vector<ChannelRange> ranges_of(const Channels& channels);

/// Whether the operator does nothing but select, reorder or join channels, known in advance and without touching the
/// values: GATHER, SLICE, SPLIT, SPLIT_V, CONCATENATION along the last dimension.
bool selects_channels(const Editor& editor, int op);

/// Its inputs that hold data.
std::vector<int> selected_inputs(const Editor& editor, int op);
/// The channels of its outputs, given those of selected_inputs.
std::vector<Channels> select_channels(const Editor& editor, int op, const std::vector<Channels>& inputs);

/// Reads `channels` in that sequence: the source itself, SLICEs, CONCATENATIONs of no more than five. The type, leading
/// shape and quantization are those of `like`. New operators are appended to the editor.
int emit_channels(Editor& editor, const std::vector<ChannelRange>& ranges, int like);
/// Bytes that emit_channels writes, and operators.
struct SelectionCost {
  int64_t bytes = 0;
  int operators = 0;
};
SelectionCost cost_of(const Editor& editor, const std::vector<ChannelRange>& ranges);

}  // namespace tinyml::tflite
