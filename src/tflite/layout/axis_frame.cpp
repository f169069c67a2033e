// The table of operators that run in any common dimension order.
#include <algorithm>

#include "tflite/constant_values.h"
#include "tflite/layout/operator_layout.h"
#include "tflite/operator_traits.h"
#include "tinyml/error.h"

namespace tinyml::tflite {
namespace {

enum class Follows {
  kNot,
  kElementwise,   // All inputs broadcast against each other.
  kFirstInput,    // Input 0 and all outputs; the other inputs are attributes.
  kConcatenated,  // All inputs and the output, same rank.
  kSplit,         // Input 1 (SPLIT) or 0 (SPLIT_V) and all outputs.
  kReduction,     // Axes in input 1; option keep_dims.
  kStridedSlice,
  kGather,
  kPack,
  kUnpack,
  kArgument,  // ARG_MAX, ARG_MIN: axis in input 1 disappears.
  kLastAxis,  // Like kFirstInput, with the last axis staying last.
  kFullyConnected,
};

Follows how_it_follows(Op op) {
  if (is_unary_elementwise(op)) return Follows::kElementwise;
  switch (op) {
    case Op::ADD:
    case Op::SUB:
    case Op::MUL:
    case Op::DIV:
    case Op::MAXIMUM:
    case Op::MINIMUM:
    case Op::POW:
    case Op::SQUARED_DIFFERENCE:
    case Op::FLOOR_DIV:
    case Op::FLOOR_MOD:
    case Op::LESS:
    case Op::LESS_EQUAL:
    case Op::GREATER:
    case Op::GREATER_EQUAL:
    case Op::EQUAL:
    case Op::NOT_EQUAL:
    case Op::LOGICAL_AND:
    case Op::LOGICAL_OR:
    case Op::LOGICAL_NOT:
    case Op::SELECT_V2:
    case Op::PRELU:
    case Op::ATAN2:
    case Op::ADD_N:
    case Op::FAKE_QUANT:
    case Op::ZEROS_LIKE:
    case Op::BITWISE_XOR:
    case Op::RIGHT_SHIFT:
      return Follows::kElementwise;
    case Op::SLICE:
    case Op::PAD:
    case Op::PADV2:
    case Op::MIRROR_PAD:
    case Op::TILE:
    case Op::BROADCAST_TO:
    case Op::CUMSUM:
    case Op::REVERSE_V2:
      return Follows::kFirstInput;
    case Op::CONCATENATION:
      return Follows::kConcatenated;
    case Op::SPLIT:
    case Op::SPLIT_V:
      return Follows::kSplit;
    case Op::MEAN:
    case Op::SUM:
    case Op::REDUCE_MAX:
    case Op::REDUCE_MIN:
    case Op::REDUCE_PROD:
    case Op::REDUCE_ANY:
    case Op::REDUCE_ALL:
      return Follows::kReduction;
    case Op::STRIDED_SLICE:
      return Follows::kStridedSlice;
    case Op::GATHER:
      return Follows::kGather;
    case Op::PACK:
      return Follows::kPack;
    case Op::UNPACK:
      return Follows::kUnpack;
    case Op::ARG_MAX:
    case Op::ARG_MIN:
      return Follows::kArgument;
    case Op::SOFTMAX:
    case Op::LOG_SOFTMAX:
    case Op::L2_NORMALIZATION:
      return Follows::kLastAxis;
    case Op::FULLY_CONNECTED:
      return Follows::kFullyConnected;
    default:
      return Follows::kNot;
  }
}

std::vector<int> axes_without(int rank, const std::vector<int>& dropped) {
  std::vector<int> axes;
  for (int axis = 0; axis < rank; ++axis) {
    if (std::find(dropped.begin(), dropped.end(), axis) == dropped.end()) axes.push_back(axis);
  }
  return axes;
}

class FrameBuilder {
 public:
  FrameBuilder(const Subgraph& subgraph, const Operator& op) : subgraph_(subgraph), op_(op) {
    frame_.inputs.resize(op.inputs.size());
    frame_.outputs.resize(op.outputs.size());
  }

  std::optional<AxisFrame> build() {
    if (op_.channels_first || op_.outputs.empty()) return std::nullopt;
    switch (how_it_follows(op_.op)) {
      case Follows::kElementwise:
        return elementwise();
      case Follows::kFirstInput:
        return attributes_are_constant() ? around(0, {}) : std::nullopt;
      case Follows::kConcatenated:
        return concatenated();
      case Follows::kSplit:
        return split();
      case Follows::kReduction:
        return reduction();
      case Follows::kStridedSlice:
        return strided_slice();
      case Follows::kGather:
        return gather();
      case Follows::kPack:
        return pack();
      case Follows::kUnpack:
        return around(0, {normalized_axis(std::get<UnpackOptions>(op_.options).axis, rank(0))});
      case Follows::kArgument:
        return argument();
      case Follows::kLastAxis:
        return last_axis();
      case Follows::kFullyConnected:
        return fully_connected();
      case Follows::kNot:
        return std::nullopt;
    }
    return std::nullopt;
  }

 private:
  const Tensor* input(size_t i) const {
    if (i >= op_.inputs.size() || op_.inputs[i] == kNoTensor) return nullptr;
    return &subgraph_.tensors[static_cast<size_t>(op_.inputs[i])];
  }
  const Tensor& output(size_t i) const { return subgraph_.tensors[static_cast<size_t>(op_.outputs[i])]; }
  int rank(size_t i) const { return input(i) == nullptr ? 0 : input(i)->rank(); }

  // Input `x` is the frame; every output has its axes but for the dropped ones.
  std::optional<AxisFrame> around(size_t x, const std::vector<int>& dropped) {
    frame_.rank = rank(x);
    frame_.inputs[x] = identity_order(frame_.rank);
    for (size_t i = 0; i < op_.outputs.size(); ++i) {
      frame_.outputs[i] = axes_without(frame_.rank, dropped);
      if (output(i).rank() != static_cast<int>(frame_.outputs[i]->size())) return std::nullopt;
    }
    return frame_;
  }

  bool attributes_are_constant() const {
    for (size_t i = 1; i < op_.inputs.size(); ++i) {
      const bool pad_value = op_.op == Op::PADV2 && i == 2;
      const bool axes = op_.op == Op::CUMSUM || op_.op == Op::REVERSE_V2;  // Others have a row for each axis.
      if (!pad_value && axes && !constant_integers(subgraph_, op_, i)) return false;
    }
    return true;
  }

  std::optional<AxisFrame> elementwise() {
    frame_.rank = output(0).rank();
    const std::vector<int> axes = identity_order(frame_.rank);
    for (size_t i = 0; i < op_.inputs.size(); ++i) {
      const Tensor* x = input(i);
      if (x == nullptr || (x->is_constant() && element_count(x->shape) == 1)) continue;
      if (x->rank() > frame_.rank || (x->rank() < frame_.rank && !x->is_constant())) return std::nullopt;
      frame_.inputs[i] = axes;
    }
    frame_.outputs[0] = axes;
    return frame_;
  }

  std::optional<AxisFrame> concatenated() {
    frame_.rank = output(0).rank();
    for (size_t i = 0; i < op_.inputs.size(); ++i) {
      if (rank(i) != frame_.rank) return std::nullopt;
      frame_.inputs[i] = identity_order(frame_.rank);
    }
    frame_.outputs[0] = identity_order(frame_.rank);
    return frame_;
  }

  std::optional<AxisFrame> split() {
    const bool sized = op_.op == Op::SPLIT_V;
    if (!constant_integers(subgraph_, op_, sized ? 2 : 0)) return std::nullopt;
    return around(sized ? 0 : 1, {});
  }

  std::optional<AxisFrame> reduction() {
    const auto given = constant_integers(subgraph_, op_, 1);
    const auto* options = std::get_if<ReducerOptions>(&op_.options);
    if (!given || options == nullptr) return std::nullopt;
    std::vector<int> dropped;
    if (!options->keep_dims) {
      for (int64_t axis : *given) dropped.push_back(normalized_axis(axis, rank(0)));
    }
    return around(0, dropped);
  }

  std::optional<AxisFrame> strided_slice() {
    const auto* options = std::get_if<StridedSliceOptions>(&op_.options);
    if (options == nullptr || options->ellipsis_mask != 0 || options->new_axis_mask != 0) return std::nullopt;
    std::vector<int> dropped;
    for (size_t i = 1; i < 4; ++i) {
      const auto values = constant_integers(subgraph_, op_, i);
      if (!values || static_cast<int>(values->size()) != rank(0)) return std::nullopt;
    }
    for (int axis = 0; axis < rank(0); ++axis) {
      if ((options->shrink_axis_mask >> axis & 1) != 0) dropped.push_back(axis);
    }
    return around(0, dropped);
  }

  std::optional<AxisFrame> gather() {
    const auto* options = std::get_if<GatherOptions>(&op_.options);
    if (options == nullptr || options->batch_dims != 0 || rank(1) > 1 || input(1) == nullptr) return std::nullopt;
    if (rank(1) == 0) return around(0, {normalized_axis(options->axis, rank(0))});
    return around(0, {});
  }

  std::optional<AxisFrame> pack() {
    frame_.rank = output(0).rank();
    const int axis = normalized_axis(std::get<PackOptions>(op_.options).axis, frame_.rank);
    for (size_t i = 0; i < op_.inputs.size(); ++i) frame_.inputs[i] = axes_without(frame_.rank, {axis});
    frame_.outputs[0] = identity_order(frame_.rank);
    return frame_;
  }

  std::optional<AxisFrame> argument() {
    const auto axis = constant_integers(subgraph_, op_, 1);
    if (!axis || axis->size() != 1) return std::nullopt;
    return around(0, {normalized_axis(axis->front(), rank(0))});
  }

  std::optional<AxisFrame> last_axis() {
    frame_.last_axis_stays = true;
    return around(0, {});
  }

  std::optional<AxisFrame> fully_connected() {
    const auto* options = std::get_if<FullyConnectedOptions>(&op_.options);
    if (options == nullptr || !options->keep_num_dims || rank(0) < 3 || rank(0) != output(0).rank()) {
      return std::nullopt;
    }
    if (input(1) == nullptr || !input(1)->is_constant()) return std::nullopt;
    return last_axis();
  }

  const Subgraph& subgraph_;
  const Operator& op_;
  AxisFrame frame_;
};

}  // namespace

std::optional<AxisFrame> axis_frame(const Subgraph& subgraph, const Operator& op) {
  return FrameBuilder(subgraph, op).build();
}

}  // namespace tinyml::tflite
