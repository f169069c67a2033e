#include <algorithm>
#include <optional>

#include "tflite/constant_values.h"
#include "tflite/made_like.h"
#include "tflite/passes/blocks.h"
#include "tflite/passes/passes.h"

namespace tinyml::tflite {
namespace {

constexpr size_t kMostParts = 5;  // Of a CONCATENATION that XNNPACK runs.

class Merger {
 public:
  explicit Merger(Subgraph& subgraph) : editor_(subgraph) {}

  int run() {
    int changes = 0;
    const int count = editor_.count();
    for (int o = 0; o < count; ++o) {
      if (!editor_.is_live(o) || editor_.op(o).channels_first) continue;
      switch (editor_.op(o).op) {
        case Op::SLICE:
          changes += reach_through(o) ? 1 : 0;
          break;
        case Op::SPLIT:
        case Op::SPLIT_V:
          changes += take_apart(o) ? 1 : 0;
          break;
        case Op::CONCATENATION:
          changes += flatten(o) || join_neighbours(o) ? 1 : 0;
          break;
        default:
          break;
      }
    }
    editor_.finish();
    return changes;
  }

 private:
  // Blocks of blocks, and blocks inside of one part of a concatenation.
  Block reduced(Block block, const Shape& size) const {
    for (int step = 0; step < 64; ++step) {
      if (const auto outer = block_of(editor_, block.source)) {
        for (size_t i = 0; i < block.begin.size(); ++i) block.begin[i] += outer->begin[i];
        block.source = outer->source;
        continue;
      }
      const int joined = editor_.producer_of_kind(block.source, Op::CONCATENATION);
      if (joined == kNoProducer) break;
      const Operator& op = editor_.op(joined);
      const auto& options = std::get<ConcatenationOptions>(op.options);
      const Tensor& whole = editor_.tensor(block.source);
      const auto axis = static_cast<size_t>(normalized_axis(options.axis, whole.rank()));
      if (options.activation != Activation::NONE || is_dynamic(whole, axis)) break;
      int64_t at = 0;
      int inside = kNoTensor;
      for (const int part : op.inputs) {
        const int64_t extent = editor_.tensor(part).shape[axis];
        if (block.begin[axis] >= at && block.begin[axis] + size[axis] <= at + extent) {
          inside = part;
          break;
        }
        at += extent;
      }
      if (inside == kNoTensor || !same_values(editor_, inside, block.source)) break;
      block.begin[axis] -= at;
      block.source = inside;
    }
    return block;
  }

  bool reach_through(int o) {
    const int out = editor_.op(o).outputs[0];
    const auto block = block_of(editor_, out);
    if (!block) return false;
    const Block whole = reduced(*block, editor_.tensor(out).shape);
    if (whole.source == block->source) return false;
    editor_.set_inputs(o, slice_inputs(editor_, whole, out));
    return true;
  }

  // A SPLIT of which one result or at most half are read, or whose results are parts of what was joined before, becomes
  // SLICEs.
  bool take_apart(int o) {
    const std::vector<int> outputs = editor_.op(o).outputs;
    std::vector<std::pair<int, Block>> used;
    bool shorter = true;
    for (const int out : outputs) {
      if (editor_.consumers(out).empty()) continue;
      const auto block = block_of(editor_, out);
      if (!block) return false;
      used.emplace_back(out, reduced(*block, editor_.tensor(out).shape));
      shorter = shorter && used.back().second.source != block->source;
    }
    const bool few = used.size() == 1 || 2 * used.size() <= outputs.size();
    if (used.empty() || (!few && !shorter)) return false;
    editor_.remove(o);
    for (const auto& [out, block] : used) {
      Operator slice;
      slice.op = Op::SLICE;
      slice.inputs = slice_inputs(editor_, block, out);
      slice.outputs = {out};
      editor_.add_operator(std::move(slice));
    }
    return true;
  }

  // The parts of a part that nobody else reads.
  bool flatten(int o) {
    const Operator& op = editor_.op(o);
    const auto options = std::get<ConcatenationOptions>(op.options);
    const int rank = editor_.tensor(op.outputs[0]).rank();
    std::vector<int> parts;
    for (const int part : op.inputs) {
      const int inner = editor_.producer_of_kind(part, Op::CONCATENATION);
      const bool alone =
          inner != kNoProducer && editor_.only_consumer(part) == o && same_values(editor_, part, op.outputs[0]);
      if (alone) {
        const auto& other = std::get<ConcatenationOptions>(editor_.op(inner).options);
        const auto& inputs = editor_.op(inner).inputs;
        const bool fits =
            other.activation == Activation::NONE &&
            normalized_axis(other.axis, rank) == normalized_axis(options.axis, rank) &&
            std::all_of(inputs.begin(), inputs.end(), [&](int id) { return same_values(editor_, id, part); });
        if (fits) {
          parts.insert(parts.end(), inputs.begin(), inputs.end());
          continue;
        }
      }
      parts.push_back(part);
    }
    const size_t before = op.inputs.size();
    if (parts.size() == before || (parts.size() > kMostParts && before <= kMostParts)) return false;
    editor_.set_inputs(o, std::move(parts));
    return true;
  }

  // Blocks of one tensor that lie side by side are one block.
  bool join_neighbours(int o) {
    const Operator op = editor_.op(o);
    const auto& options = std::get<ConcatenationOptions>(op.options);
    const auto axis = static_cast<size_t>(normalized_axis(options.axis, editor_.tensor(op.outputs[0]).rank()));
    if (is_dynamic(editor_.tensor(op.outputs[0]), axis)) return false;
    std::vector<int> parts;
    for (size_t i = 0; i < op.inputs.size();) {
      const auto first = block_of(editor_, op.inputs[i]);
      size_t next = i + 1;
      Shape shape = editor_.tensor(op.inputs[i]).shape;
      while (first && next < op.inputs.size()) {
        const auto second = block_of(editor_, op.inputs[next]);
        if (!second || second->source != first->source) break;
        std::vector<int64_t> expected = first->begin;
        expected[axis] += shape[axis];
        if (second->begin != expected) break;
        shape[axis] += editor_.tensor(op.inputs[next]).shape[axis];
        ++next;
      }
      if (next == i + 1) {
        parts.push_back(op.inputs[i]);
      } else if (shape == editor_.tensor(first->source).shape) {
        parts.push_back(first->source);
      } else {
        Tensor joined = made_like(editor_.tensor(op.inputs[i]));
        joined.shape = shape;
        if (!joined.shape_signature.empty()) joined.shape_signature[axis] = shape[axis];
        const int out = editor_.add_tensor(std::move(joined));
        Operator slice;
        slice.op = Op::SLICE;
        slice.inputs = slice_inputs(editor_, *first, out);
        slice.outputs = {out};
        editor_.add_operator(std::move(slice));
        parts.push_back(out);
      }
      i = next;
    }
    if (parts.size() == op.inputs.size()) return false;
    editor_.set_inputs(o, std::move(parts));
    return true;
  }

  Editor editor_;
};

}  // namespace

int merge_selections(Subgraph& subgraph) { return Merger(subgraph).run(); }

}  // namespace tinyml::tflite
