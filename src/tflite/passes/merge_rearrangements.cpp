#include <algorithm>
#include <optional>

#include "tflite/constant_values.h"
#include "tflite/layout/rearrangement.h"
#include "tflite/passes/editor.h"
#include "tflite/passes/passes.h"

namespace tinyml::tflite {
namespace {

constexpr size_t kLongestChain = 64;
constexpr size_t kHighestRank = 6;  // Of what the kernels of TRANSPOSE take.

bool is_reshape(Op op) { return op == Op::RESHAPE || op == Op::SQUEEZE || op == Op::EXPAND_DIMS; }

bool is_static(const Tensor& tensor) {
  return std::none_of(tensor.shape_signature.begin(), tensor.shape_signature.end(), [](int32_t s) { return s < 0; });
}

class Merger {
 public:
  Merger(Subgraph& subgraph, bool as_shuffles) : editor_(subgraph), as_shuffles_(as_shuffles) {}

  int run() {
    int changes = 0;
    const int count = editor_.count();
    for (int o = 0; o < count; ++o) {
      if (editor_.is_live(o) && ends_chain(o) && merge(o)) ++changes;
    }
    editor_.finish();
    return changes;
  }

 private:
  std::optional<Order> permutation_of(int o) const {
    const auto values = constant_integers(editor_.subgraph(), editor_.op(o), 1);
    const int rank = editor_.tensor(editor_.op(o).inputs[0]).rank();
    if (!values) return std::nullopt;
    Order order;
    for (const int64_t axis : *values) {
      if (axis < -rank || axis >= rank) return std::nullopt;
      order.push_back(normalized_axis(axis, rank));
    }
    if (!is_permutation_of_axes(order, rank)) return std::nullopt;
    return order;
  }

  bool rearranges(int o) const {
    const Operator& op = editor_.op(o);
    if (!is_reshape(op.op) && op.op != Op::TRANSPOSE) return false;
    const Tensor& x = editor_.tensor(op.inputs[0]);
    const Tensor& out = editor_.tensor(op.outputs[0]);
    if (is_reshape(op.op) && op.inputs.size() > 1 && !constant_integers(editor_.subgraph(), op, 1)) return false;
    if (!is_static(x) || !is_static(out) || out.quantization.per_channel() || bits_of(x.type) == 0) return false;
    if (x.opaque || out.opaque) return false;
    return op.op != Op::TRANSPOSE || permutation_of(o).has_value();
  }

  // Whether somebody other than a further rearrangement reads the result.
  bool ends_chain(int o) const {
    if (!rearranges(o)) return false;
    const auto& consumers = editor_.consumers(editor_.op(o).outputs[0]);
    return std::any_of(consumers.begin(), consumers.end(),
                       [&](const Use& use) { return use.op == kGraphOutput || use.input != 0 || !rearranges(use.op); });
  }

  bool merge(int last) {
    std::vector<int> chain = {last};
    while (chain.size() < kLongestChain) {
      const int before = editor_.producer(editor_.op(chain.back()).inputs[0]);
      if (before == kNoProducer || !rearranges(before)) break;
      chain.push_back(before);
    }
    std::reverse(chain.begin(), chain.end());
    // The longest tail of the chain that can be followed.
    for (size_t start = 0; start + 1 < chain.size();) {
      const Tensor& source = editor_.tensor(editor_.op(chain[start]).inputs[0]);
      Rearrangement whole(source.shape);
      size_t at = start;
      while (at < chain.size() && follow(whole, chain[at])) ++at;
      if (at == chain.size()) return replace({chain.begin() + static_cast<std::ptrdiff_t>(start), chain.end()}, whole);
      start = std::max(at, start + 1);
    }
    return false;
  }

  bool follow(Rearrangement& whole, int o) const {
    const Operator& op = editor_.op(o);
    if (op.op != Op::TRANSPOSE) return whole.reshape(editor_.tensor(op.outputs[0]).shape);
    whole.transpose(*permutation_of(o));
    return true;
  }

  struct Step {
    Op op;
    Shape shape;        // Of the result.
    Order permutation;  // TRANSPOSE.
  };

  // The fewest operators that do the same; empty when a TRANSPOSE would have too many dimensions.
  static std::vector<Step> steps_for(const Shape& source, const Rearrangement& whole) {
    if (whole.moves_nothing()) return {{Op::RESHAPE, whole.shape(), {}}};
    const Shape atoms = whole.atoms();
    const Order order = whole.order();
    if (atoms.size() > kHighestRank) return {};
    std::vector<Step> steps;
    const Shape moved = permuted(atoms, order);
    if (const auto direct = without_units(source, atoms)) {  // The source's own axes; those of size 1 go to the end.
      const Order permutation = on_axes(*direct, order, source.size());
      steps.push_back({Op::TRANSPOSE, permuted(source, permutation), permutation});
    } else if (const auto target = without_units(whole.shape(), moved)) {  // The result's own axes.
      const Order permutation = inverse(on_axes(*target, inverse(order), whole.shape().size()));
      steps.push_back({Op::RESHAPE, permuted(whole.shape(), inverse(permutation)), {}});
      steps.push_back({Op::TRANSPOSE, whole.shape(), permutation});
    } else {
      steps.push_back({Op::RESHAPE, atoms, {}});
      steps.push_back({Op::TRANSPOSE, moved, order});
    }
    if (steps.back().shape != whole.shape()) steps.push_back({Op::RESHAPE, whole.shape(), {}});
    return steps;
  }

  // The axes of `shape` that each atom consists of, when no axis is cut; nullopt otherwise.
  static std::optional<std::vector<Order>> without_units(const Shape& shape, const Shape& atoms) {
    std::vector<Order> axes(atoms.size());
    size_t atom = 0;
    int64_t reached = 1;
    for (size_t axis = 0; axis < shape.size(); ++axis) {
      if (shape[axis] == 1) continue;
      if (atom == atoms.size()) return std::nullopt;
      axes[atom].push_back(static_cast<int>(axis));
      reached *= shape[axis];
      if (atoms[atom] % reached != 0) return std::nullopt;
      if (reached == atoms[atom]) ++atom, reached = 1;
    }
    return axes;
  }

  // An order of atoms as an order of all axes; axes of size 1 in front stay there, the others go last.
  static Order on_axes(const std::vector<Order>& axes_of_atoms, const Order& order, size_t rank) {
    std::vector<bool> is_wide(rank, false);
    for (const Order& axes : axes_of_atoms) {
      for (const int axis : axes) is_wide[static_cast<size_t>(axis)] = true;
    }
    Order result;
    int next = 0;
    for (; next < static_cast<int>(rank) && !is_wide[static_cast<size_t>(next)]; ++next) result.push_back(next);
    for (const int atom : order) {
      const Order& axes = axes_of_atoms[static_cast<size_t>(atom)];
      result.insert(result.end(), axes.begin(), axes.end());
    }
    for (; next < static_cast<int>(rank); ++next) {
      if (!is_wide[static_cast<size_t>(next)]) result.push_back(next);
    }
    return result;
  }

  bool replace(const std::vector<int>& chain, const Rearrangement& whole) {
    const int x = editor_.op(chain.front()).inputs[0];
    const int out = editor_.op(chain.back()).outputs[0];
    int transposes = 0;
    int removed = 1;  // Operators that nobody needs any more: from the end, as long as they have one reader.
    bool only = true;
    for (size_t i = chain.size(); i-- > 0;) {
      transposes += editor_.op(chain[i]).op == Op::TRANSPOSE ? 1 : 0;
      if (i + 1 < chain.size()) {
        only = only && editor_.only_consumer(editor_.op(chain[i]).outputs[0]) == chain[i + 1];
        removed += only ? 1 : 0;
      }
    }
    if (as_shuffles_ && transposes > 0) {
      if (const auto shuffle = axis_shuffle(editor_.tensor(x).shape, whole)) {
        Tensor indices;
        indices.name = "channel_order";
        indices.type = Type::INT32;
        indices.shape = {static_cast<int32_t>(shuffle->indices.size())};
        indices.buffer = Buffer::of(shuffle->indices);
        editor_.remove(chain.back());
        Operator gather;
        gather.op = Op::GATHER;
        gather.inputs = {x, editor_.add_tensor(std::move(indices))};
        gather.outputs = {out};
        gather.options = GatherOptions{.axis = shuffle->axis};
        editor_.add_operator(std::move(gather));
        return true;
      }
    }
    const std::vector<Step> steps = steps_for(editor_.tensor(x).shape, whole);
    if (steps.empty()) return false;
    const bool keeps_transpose = steps.size() > 1 || steps[0].op == Op::TRANSPOSE;
    const bool fewer = keeps_transpose ? transposes > 1 || static_cast<int>(steps.size()) < removed : true;
    if (!fewer || (!keeps_transpose && transposes == 0 && chain.size() == 1)) return false;
    editor_.remove(chain.back());  // What is before it is dead code, unless others read it.
    int at = x;
    for (size_t i = 0; i < steps.size(); ++i) {
      Operator op;
      op.op = steps[i].op;
      op.inputs = {at};
      if (op.op == Op::RESHAPE) {
        op.options = ReshapeOptions{};
      } else {
        Tensor permutation;
        permutation.name = "permutation";
        permutation.type = Type::INT32;
        permutation.shape = {static_cast<int32_t>(steps[i].permutation.size())};
        permutation.buffer = Buffer::of(std::vector<int32_t>(steps[i].permutation.begin(), steps[i].permutation.end()));
        op.inputs.push_back(editor_.add_tensor(std::move(permutation)));
      }
      if (i + 1 == steps.size()) {
        at = out;
      } else {
        Tensor middle = editor_.tensor(out);
        middle.name += "_part";
        middle.shape = steps[i].shape;
        middle.shape_signature.clear();
        at = editor_.add_tensor(std::move(middle));
      }
      op.outputs = {at};
      editor_.add_operator(std::move(op));
    }
    return true;
  }

  Editor editor_;
  bool as_shuffles_;
};

}  // namespace

int merge_rearrangements(Subgraph& subgraph, bool as_shuffles) { return Merger(subgraph, as_shuffles).run(); }

}  // namespace tinyml::tflite
