// LiteRT lets RESHAPE share its input's memory, and lets an element-wise operator write into the memory of an input
// that nobody else reads. It counts the readers of the tensor and of the tensor that owns the memory, but not those of
// the other names of that memory in between:
//
//   v = ADD(u, ..)        v lives in u's memory, which has one reader
//   a = RESHAPE(v)        so does a
//   w = MUL(a, ..)        the only reader of a writes into it ...
//   b = SUB(v, ..)        ... and what reads v later reads w.
#include <algorithm>
#include <set>

#include "tflite/made_like.h"
#include "tflite/passes/editor.h"
#include "tflite/passes/passes.h"
#include "tinyml/error.h"

namespace tinyml::tflite {
namespace {

constexpr size_t kMostNames = 256;  // Of one memory; more are taken for a conflict.

bool shares_memory(Op op) { return op == Op::RESHAPE || op == Op::SQUEEZE || op == Op::EXPAND_DIMS; }

// Operators that read all of their input in no simple sequence; no runtime writes their result over it.
bool writes_elsewhere(Op op) {
  switch (op) {
    case Op::CONV_2D:
    case Op::DEPTHWISE_CONV_2D:
    case Op::TRANSPOSE_CONV:
    case Op::CONV_3D:
    case Op::CONV_3D_TRANSPOSE:
    case Op::FULLY_CONNECTED:
    case Op::BATCH_MATMUL:
    case Op::MAX_POOL_2D:
    case Op::AVERAGE_POOL_2D:
    case Op::L2_POOL_2D:
    case Op::TRANSPOSE:
    case Op::CONCATENATION:
    case Op::PACK:
    case Op::GATHER:
    case Op::PAD:
    case Op::PADV2:
    case Op::MIRROR_PAD:
    case Op::RESIZE_BILINEAR:
    case Op::RESIZE_NEAREST_NEIGHBOR:
    case Op::DEPTH_TO_SPACE:
    case Op::SPACE_TO_DEPTH:
    case Op::MEAN:
    case Op::SUM:
    case Op::REDUCE_MAX:
    case Op::REDUCE_MIN:
    case Op::SPLIT:
    case Op::SPLIT_V:
    case Op::UNPACK:
    case Op::REVERSE_V2:
    case Op::TILE:
    case Op::BROADCAST_TO:
      return true;
    default:
      return false;
  }
}

class Protector {
 public:
  explicit Protector(Subgraph& subgraph) : editor_(subgraph), count_(editor_.count()) {}

  int run() {
    int changes = 0;
    for (int o = 0; o < count_; ++o) {
      const Operator& op = editor_.op(o);
      if (shares_memory(op.op) || writes_elsewhere(op.op) || op.outputs.empty()) continue;
      for (size_t slot = 0; slot < 2 && slot < editor_.op(o).inputs.size(); ++slot) {
        const int x = editor_.op(o).inputs[slot];
        if (x == kNoTensor || !may_write_into(o, x) || !conflicts(o, x)) continue;
        editor_.set_input(o, slot, copy_of(x));
        ++changes;
      }
    }
    editor_.finish();
    return changes;
  }

 private:
  bool may_write_into(int o, int x) const {
    const Tensor& in = editor_.tensor(x);
    const Tensor& out = editor_.tensor(editor_.op(o).outputs[0]);
    if (in.is_constant() || editor_.consumers(x).size() != 1 || bits_of(in.type) == 0 || bits_of(out.type) == 0) {
      return false;
    }
    const int made_by = editor_.producer(x);
    if (made_by == kNoProducer || !shares_memory(editor_.op(made_by).op)) return false;
    return !editor_.is_output(editor_.op(o).outputs[0]) &&
           byte_count(in.type, in.shape) == byte_count(out.type, out.shape);
  }

  // The tensor whose memory `x` is known to be a name of, up the RESHAPEs. Inputs and outputs are never shared.
  int first_name(int x) const {
    while (!editor_.is_output(x)) {
      const int made_by = editor_.producer(x);
      if (made_by == kNoProducer || !shares_memory(editor_.op(made_by).op)) break;
      const int before = editor_.op(made_by).inputs[0];
      if (editor_.is_input(before) || editor_.tensor(before).is_constant()) break;
      x = before;
    }
    return x;
  }

  bool owns_memory(int id) const {
    const int made_by = editor_.producer(id);
    if (editor_.is_output(id) || made_by == kNoProducer) return true;
    return writes_elsewhere(editor_.op(made_by).op) || shares_memory(editor_.op(made_by).op);
  }

  // Whether something reads the memory under another name after operator `o` has written into it.
  bool conflicts(int o, int x) const {
    const int first = first_name(x);
    if (owns_memory(first) && editor_.consumers(first).size() > 1) return false;  // The runtime counts these.
    std::vector<int> names = {first};
    for (size_t i = 0; i < names.size(); ++i) {
      if (names.size() > kMostNames) return true;
      for (const Use& use : editor_.consumers(names[i])) {
        if (use.op == kGraphOutput) continue;
        const Operator& reader = editor_.op(use.op);
        const bool is_name = shares_memory(reader.op) && !editor_.is_output(reader.outputs[0]);
        if (is_name) {
          names.push_back(reader.outputs[0]);
        } else if (names[i] != x && use.op > o) {
          return true;
        }
      }
    }
    return false;
  }

  // An operator that no runtime runs in place: PAD by nothing, or TRANSPOSE that keeps the order.
  int copy_of(int x) {
    Tensor copied = made_like(editor_.tensor(x));
    copied.name += "_copy";
    const int rank = copied.rank();
    const bool pads = rank >= 1 && rank <= 5 && (copied.type == Type::FLOAT32 || copied.type == Type::INT8);
    Tensor attribute;
    attribute.type = Type::INT32;
    attribute.name = pads ? "paddings" : "permutation";
    std::vector<int32_t> values(static_cast<size_t>(pads ? 2 * rank : rank), 0);
    for (int i = 0; !pads && i < rank; ++i) values[static_cast<size_t>(i)] = i;
    attribute.shape = pads ? Shape{rank, 2} : Shape{rank};
    attribute.buffer = Buffer::of(std::move(values));
    Operator copy;
    copy.op = pads ? Op::PAD : Op::TRANSPOSE;
    copy.inputs = {x, editor_.add_tensor(std::move(attribute))};
    const int result = editor_.add_tensor(std::move(copied));
    copy.outputs = {result};
    editor_.add_operator(std::move(copy));
    return result;
  }

  Editor editor_;
  int count_;
};

}  // namespace

int protect_shared_memory(Subgraph& subgraph) { return Protector(subgraph).run(); }

}  // namespace tinyml::tflite
