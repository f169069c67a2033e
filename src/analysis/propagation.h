#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "analysis/label_space.h"
#include "tinyml/analysis.h"
#include "tinyml/graph.h"

namespace tinyml::analysis {

/// Labelled dimensions of a value: see UnitBlock. Dimensions of a value that are in no block never shrink.
struct Block {
  std::vector<int64_t> dims;   ///< Ascending; sizes all above 1.
  std::vector<int64_t> shape;  ///< Sizes of `dims`.
  LabelList labels;            ///< Row-major.
  bool zero = true;            ///< In the masked model, entries of removed labels are exactly zero here.
};
using Blocks = std::vector<Block>;

/// What the entries of removed labels become in a function of several operands.
enum class ZeroRule : uint8_t {
  kNever,  ///< f(0) != 0
  kAll,    ///< zero where every operand is (sum)
  kAny,    ///< zero where one operand is (product)
  kFirst,  ///< zero where the first operand is (quotient)
};

/// A tensor laid into a space of dimensions shared with others: its dimension i is dims[i] of the space (-1: ignored).
struct Operand {
  ValueId value = kNoValue;
  std::vector<int64_t> dims;
};

/// A block that must stay rectangular; dimensions marked fixed must keep their size.
struct Rectangle {
  std::vector<int64_t> shape;
  std::vector<bool> fixed;
  LabelList labels;
  NodeId node = kNoNode;
};

/// Walks a graph in execution order while the rules of its operators say how labels travel. A parameter's dimensions
/// get labels when they are first touched, preferably those of the tensor they meet.
class Propagation {
 public:
  Propagation(const Graph& graph, const DependencyOptions& options);

  const Graph& graph() const { return graph_; }
  const DependencyOptions& options() const { return options_; }
  LabelSpace& labels() { return labels_; }
  /// The node whose rule runs now, for reasons.
  void begin(NodeId id) { node_ = id; }

  // --- values
  const std::vector<int64_t>& sizes(ValueId value) const;
  int64_t rank(ValueId value) const { return static_cast<int64_t>(sizes(value).size()); }
  bool is_tensor(ValueId value) const { return graph_.value(value).kind == ValueKind::kTensor; }
  bool is_binding(ValueId value) const { return bindings_.contains(canonical(value)); }
  /// Whether it is a dimension of a parameter, buffer or constant that no rule has met yet.
  bool is_untouched(ValueId value, int64_t dim) const;
  /// Labelled dimensions; a parameter's untouched dimensions get fresh labels.
  const Blocks& blocks(ValueId value);
  void set(ValueId value, Blocks blocks);
  /// The output has the operand's labels, dimension by dimension.
  void copy(ValueId from, ValueId to, bool keeps_zero);

  // --- constraints
  /// The dimension must keep its size. What made it labelled is united or pinned.
  void fix(ValueId value, int64_t dim, const std::string& why);
  void fix_all(ValueId value, const std::string& why);
  void fix(Blocks& blocks, int64_t dim, const std::string& why);
  /// Makes the dimension's labels independent of other dimensions, whose sizes become fixed. nullptr if it is fixed.
  LabelList isolate(ValueId value, int64_t dim);
  LabelList isolate(Blocks& blocks, int64_t dim);
  /// The two dimensions, of one size, lose the same indices. False if they are fixed.
  bool link(ValueId a, int64_t a_dim, ValueId b, int64_t b_dim, const std::string& why);
  bool link(const LabelList& labels, ValueId b, int64_t b_dim, const std::string& why);
  /// Requires what remains of the block to be rectangular, and dimensions marked fixed to keep their size.
  void require_rectangle(std::vector<int64_t> shape, std::vector<bool> fixed, LabelList labels);
  /// Labels of `count` indices that never go.
  LabelList pinned(int64_t count, const std::string& why);
  void pin(const LabelList& labels, const std::string& why) { labels_.pin(labels, reason(why)); }
  /// Each run of `length` labels becomes one class; returns one label for each run.
  LabelList unite_runs(const LabelList& labels, int64_t length);

  /// Unites the labels of operands that are combined index by index in a space of these sizes (broadcasting over
  /// dimensions of size 1) and returns the space's blocks. `constant`: a nonzero number takes part.
  Blocks join(const std::vector<Operand>& operands, const std::vector<int64_t>& space, ZeroRule rule,
              bool constant = false);

  // --- parameters
  void set_role(ValueId value, int64_t dim, AxisRole role);
  /// Whether entries of removed channels may be set to zero in the masked model (see BindingAxis::maskable); once not,
  /// never.
  void set_maskable(ValueId value, int64_t dim, bool maskable);
  void set_maskable(ValueId value, bool maskable);
  /// Grouped columns of a weight: see BindingAxis::groups. nullptr fixes them.
  void set_grouped(ValueId weight, int64_t groups, LabelList labels, AxisRole role);

  // --- results
  struct BindingState {
    std::vector<bool> touched;
    std::vector<AxisRole> roles;
    std::vector<bool> maskable;
    std::vector<std::optional<PinReason>> fixed;  ///< Why a dimension has no labels.
    int64_t groups = 1;
    LabelList grouped;  ///< Of dimension 1, when groups > 1.
  };
  const std::map<ValueId, BindingState>& bindings() const { return bindings_; }
  /// The value that stands for all bindings with the same storage.
  ValueId canonical(ValueId value) const { return canonical_[index_of(value)]; }
  const Blocks& known_blocks(ValueId value) const { return blocks_[index_of(canonical(value))]; }
  const std::vector<Rectangle>& rectangles() const { return rectangles_; }
  /// Simplifies the rectangles until nothing changes: what must be united or pinned for them is.
  void settle();

 private:
  /// "it meets a dimension that cannot shrink", with the reason for that one where it is known.
  std::string meets_fixed(ValueId value, int64_t dim) const;
  uint32_t reason(const std::string& why) { return labels_.add_reason({node_, why}); }
  Block* find(Blocks& blocks, int64_t dim);
  void touch(ValueId value, int64_t dim, LabelList labels);
  bool settle(Rectangle& rectangle);

  const Graph& graph_;
  DependencyOptions options_;
  LabelSpace labels_;
  NodeId node_ = kNoNode;
  mutable std::vector<std::vector<int64_t>> sizes_;
  std::vector<ValueId> canonical_;
  std::vector<Blocks> blocks_;
  std::map<ValueId, BindingState> bindings_;
  std::vector<Rectangle> rectangles_;
  std::map<std::pair<ValueId, int64_t>, std::string> fixed_;  ///< Why dimensions were fixed, the first reason of each.
};

/// The block with indices `indices` of dimension `dim` (in that order, perhaps repeated) in place of its own.
Block take_indices(const Block& block, int64_t dim, const std::vector<int64_t>& indices);
/// The block that holds `dim`, or nullptr.
const Block* block_at(const Blocks& blocks, int64_t dim);
/// Drops dimensions along which the labels do not change (one dimension at least stays).
void simplify(Block& block, const LabelSpace& labels);

}  // namespace tinyml::analysis
