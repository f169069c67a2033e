#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tinyml/graph.h"

namespace tinyml {

/// Channels that live or die together in every tensor they appear in: the atoms of pruning.
using UnitId = int32_t;
/// Marks an index that can never be removed.
inline constexpr UnitId kPinnedUnit = -1;
/// The unit of each index; shared between the many values that carry the same channels.
using UnitList = std::shared_ptr<const std::vector<UnitId>>;

/// Dimensions of a value that can shrink, with the unit of every index combination, row-major over `dims`. One
/// dimension usually; several where a channel dimension was split (heads and head size, groups and channels in a
/// group): removing units then leaves a rectangle, because each index of an outer dimension loses equally many of the
/// inner one.
struct UnitBlock {
  std::vector<int64_t> dims;   ///< Ascending.
  std::vector<int64_t> shape;  ///< Sizes of `dims`.
  UnitList units;
};

/// What a parameter does with the units of one of its dimensions.
enum class AxisRole : uint8_t {
  kProducer,  ///< Makes the channels: output rows of a convolution or linear layer.
  kConsumer,  ///< Reads them: input columns.
  kFollower,  ///< Works on them one by one: bias, normalisation, scale.
};

/// A dimension of a parameter, buffer or constant along which units are cut.
struct BindingAxis {
  std::string fqn;
  ValueId value = kNoValue;
  int64_t dim = 0;
  /// Above 1 for input columns of a grouped convolution (and output columns of a transposed one): dimension 0 is
  /// `groups` equal ranges of rows, each with columns of its own, and `units` holds the columns of the first group,
  /// then of the second, ...
  int64_t groups = 1;
  UnitList units;
  AxisRole role = AxisRole::kFollower;
  /// Whether entries of removed channels are set to zero in the masked model. Not for divisors, variances, exponents.
  bool maskable = true;
};

/// Units that must leave a rectangle: after pruning, every row (all indices but the last) keeps equally many units.
struct EqualCount {
  std::vector<int64_t> shape;  ///< Two dimensions or more.
  UnitList units;              ///< Row-major.
  NodeId node = kNoNode;       ///< The operator that asks for it.
};

/// Units made by the same layers: they share one pruning ratio.
struct Subgraph {
  std::string name;                 ///< Module or parameter that makes the channels (the first in execution order).
  std::vector<UnitId> units;        ///< Ascending; every one may be removed (constraints apart).
  std::vector<size_t> producers;    ///< Indices into DependencyGraph::axes, in execution order.
  std::vector<size_t> others;       ///< Followers and consumers.
  std::vector<size_t> constraints;  ///< Indices into DependencyGraph::constraints.
};

/// A dimension of a layer's output that cannot be pruned, and why.
struct PinnedAxis {
  std::string fqn;
  int64_t dim = 0;
  int64_t pinned = 0;  ///< Number of its indices that must stay, of `size`.
  int64_t size = 0;
  Diagnostic reason;
};

struct DependencyOptions {
  /// What goes in attention (and in any product of stacks of matrices): false: indices of the vectors in a head,
  /// equally many in each head; true: whole heads.
  bool whole_heads = false;
  friend bool operator==(const DependencyOptions&, const DependencyOptions&) = default;
};

/// Which channels of which tensors depend on which, index by index.
struct DependencyGraph {
  DependencyOptions options;
  UnitId unit_count = 0;
  std::vector<BindingAxis> axes;
  std::vector<EqualCount> constraints;
  std::vector<Subgraph> subgraphs;       ///< In execution order of their first producer; together they hold every unit.
  std::vector<size_t> subgraph_of_unit;  ///< Index into `subgraphs`.
  std::vector<PinnedAxis> pinned;
  std::vector<std::vector<UnitBlock>> values;  ///< By ValueId: what can shrink; dimensions not listed cannot.
  std::map<ValueId, size_t> grouped;           ///< Weight -> its axis with groups, which is not in `values`.
  std::vector<UnitList> pieces;                ///< Every distinct list of indices; each must keep one index at least.
};

/// Finds the dependencies between all channels of a functional graph (no in-place operators). Nothing is guessed: what
/// an unknown operator reads is pinned, with the operator named in `pinned`.
DependencyGraph analyze_dependencies(const Graph& graph, const DependencyOptions& options = {});
/// One paragraph for each subgraph: its channels, the layers that make, follow and read them, constraints; then what is
/// pinned and why.
std::string to_string(const DependencyGraph& dependencies);
/// One line: what stays, how much of it, why and where.
std::string to_string(const PinnedAxis& pinned);
/// Where the reason lies, "in features.0 at net.py:12", or what is known of it.
std::string place_of(const PinnedAxis& pinned);
/// Graphviz DOT: layers as boxes, subgraphs as ellipses between the layers that make and those that read them.
std::string to_dot(const DependencyGraph& dependencies);

/// Sizes of `value` when only units with kept[unit] remain. Throws Error if they leave no rectangle.
std::vector<int64_t> kept_sizes(const Graph& graph, const DependencyGraph& dependencies, const std::vector<bool>& kept,
                                ValueId value);

/// Arithmetic and memory of one operator or a model.
struct Cost {
  int64_t macs = 0;   ///< Multiply-accumulates of convolutions and matrix products.
  int64_t flops = 0;  ///< 2 * macs, plus one for each other elementary operation on an element.
};
struct NodeCost {
  NodeId node = kNoNode;
  Cost cost;
  int64_t live_bytes = 0;  ///< Intermediate values in memory while it runs, its operands and results included.
};
struct ModelCost {
  Cost total;
  int64_t parameters = 0;  ///< Elements of parameters, shared ones once.
  int64_t parameter_bytes = 0;
  int64_t peak_activation_bytes = 0;  ///< Largest sum of live intermediate values, in execution order; views are free.
  std::vector<NodeCost> nodes;        ///< Every node, in execution order.
};
/// Sizes to take for a value instead of its own.
using SizesOf = std::function<std::vector<int64_t>(ValueId)>;
/// Counts from shapes, symbolic ones at their capture value. Operators that move or select data cost nothing; unknown
/// operators count one flop for each element of their outputs.
ModelCost count_cost(const Graph& graph);
ModelCost count_cost(const Graph& graph, const SizesOf& sizes);
/// Multiply-accumulates alone: what allocation needs many times over.
int64_t count_macs(const Graph& graph, const SizesOf& sizes);

}  // namespace tinyml
