#include <algorithm>
#include <optional>

#include "tflite/constant_values.h"
#include "tflite/made_like.h"
#include "tflite/passes/blocks.h"
#include "tflite/passes/passes.h"

namespace tinyml::tflite {
namespace {

constexpr size_t kMostParts = 5;          // Of a CONCATENATION that XNNPACK runs.
constexpr int64_t kOperatorBytes = 2048;  // What one more operator costs, as bytes copied.

class Dissolver {
 public:
  explicit Dissolver(Subgraph& subgraph) : editor_(subgraph) {}

  int run() {
    int changes = 0;
    const int count = editor_.count();
    for (int o = 0; o < count; ++o) changes += editor_.is_live(o) && dissolve(o) ? 1 : 0;
    editor_.finish();
    return changes;
  }

 private:
  // Something that is read of the result, put together from blocks of the inputs along the axis.
  struct Reading {
    int out;
    std::vector<Block> blocks;
    std::vector<Shape> sizes;
  };

  int64_t bytes(int like, const Shape& shape) const { return byte_count(editor_.tensor(like).type, shape); }
  int64_t cost(int like, const Shape& shape) const { return bytes(like, shape) + kOperatorBytes; }

  std::optional<Reading> reading_of(const Operator& join, size_t axis, int out) const {
    const auto block = block_of(editor_, out);
    if (!block || block->source != join.outputs[0]) return std::nullopt;
    const Shape shape = editor_.tensor(out).shape;
    const int64_t first = block->begin[axis], last = first + shape[axis];
    Reading reading{out, {}, {}};
    int64_t at = 0;
    for (const int part : join.inputs) {
      const int64_t end = at + editor_.tensor(part).shape[axis];
      const int64_t from = std::max(first, at), to = std::min(last, end);
      if (from < to) {
        reading.blocks.push_back({part, block->begin});
        reading.blocks.back().begin[axis] = from - at;
        reading.sizes.push_back(shape);
        reading.sizes.back()[axis] = static_cast<int32_t>(to - from);
      }
      at = end;
    }
    if (reading.blocks.empty() || reading.blocks.size() > kMostParts) return std::nullopt;
    return reading;
  }

  // What is read of the result, if that is nothing but blocks.
  std::vector<Reading> readings(const Operator& join, size_t axis) const {
    std::vector<Reading> result;
    for (const Use& use : editor_.consumers(join.outputs[0])) {
      if (use.op == kGraphOutput || editor_.op(use.op).channels_first) return {};
      for (const int out : editor_.op(use.op).outputs) {
        if (editor_.consumers(out).empty()) continue;
        auto reading = reading_of(join, axis, out);
        if (!reading) return {};
        result.push_back(std::move(*reading));
      }
    }
    return result;
  }

  bool is_whole(const Block& block, const Shape& size) const { return editor_.tensor(block.source).shape == size; }

  int64_t cost_now(const Operator& join, const std::vector<Reading>& all) const {
    const int whole = join.outputs[0];
    int64_t total = cost(whole, editor_.tensor(whole).shape);
    for (const Reading& reading : all) total += bytes(whole, editor_.tensor(reading.out).shape);
    return total + static_cast<int64_t>(editor_.consumers(whole).size()) * kOperatorBytes;
  }

  int64_t cost_apart(const std::vector<Reading>& all) const {
    int64_t total = 0;
    for (const Reading& reading : all) {
      for (size_t i = 0; i < reading.blocks.size(); ++i) {
        if (!is_whole(reading.blocks[i], reading.sizes[i])) total += cost(reading.out, reading.sizes[i]);
      }
      if (reading.blocks.size() > 1) total += cost(reading.out, editor_.tensor(reading.out).shape);
    }
    return total;
  }

  void add_slice(const Block& block, int out) {
    Operator slice;
    slice.op = Op::SLICE;
    slice.inputs = slice_inputs(editor_, block, out);
    slice.outputs = {out};
    editor_.add_operator(std::move(slice));
  }

  void put_together(const Reading& reading, size_t axis) {
    if (reading.blocks.size() == 1) return add_slice(reading.blocks[0], reading.out);
    Operator join;
    join.op = Op::CONCATENATION;
    join.options = ConcatenationOptions{.axis = static_cast<int32_t>(axis)};
    for (size_t i = 0; i < reading.blocks.size(); ++i) {
      int part = reading.blocks[i].source;
      if (!is_whole(reading.blocks[i], reading.sizes[i])) {
        Tensor tensor = made_like(editor_.tensor(reading.out));
        tensor.name += "_part";
        tensor.shape = reading.sizes[i];
        if (!tensor.shape_signature.empty()) tensor.shape_signature[axis] = tensor.shape[axis];
        part = editor_.add_tensor(std::move(tensor));
        add_slice(reading.blocks[i], part);
      }
      join.inputs.push_back(part);
    }
    join.outputs = {reading.out};
    editor_.add_operator(std::move(join));
  }

  bool dissolve(int o) {
    const Operator join = editor_.op(o);
    if (join.op != Op::CONCATENATION || join.channels_first) return false;
    const auto& options = std::get<ConcatenationOptions>(join.options);
    const Tensor& whole = editor_.tensor(join.outputs[0]);
    if (options.activation != Activation::NONE || whole.rank() == 0) return false;
    const auto axis = static_cast<size_t>(normalized_axis(options.axis, whole.rank()));
    const auto fits = [&](int part) {
      return same_values(editor_, part, join.outputs[0]) && !is_dynamic(editor_.tensor(part), axis);
    };
    if (is_dynamic(whole, axis) || !std::all_of(join.inputs.begin(), join.inputs.end(), fits)) return false;
    const std::vector<Reading> all = readings(join, axis);
    if (all.empty() || cost_apart(all) >= cost_now(join, all)) return false;
    std::vector<int> readers;
    for (const Use& use : editor_.consumers(join.outputs[0])) readers.push_back(use.op);
    for (const int reader : readers) editor_.remove(reader);
    editor_.remove(o);
    for (const Reading& reading : all) put_together(reading, axis);
    return true;
  }

  Editor editor_;
};

}  // namespace

int dissolve_concatenations(Subgraph& subgraph) { return Dissolver(subgraph).run(); }

}  // namespace tinyml::tflite
