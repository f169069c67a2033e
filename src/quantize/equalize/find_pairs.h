// Layers whose channels can be scaled against each other.
#pragma once

#include <vector>

#include "tinyml/graph.h"

namespace tinyml::quantization {

/// How a layer's weight holds its channels: [outputs, inputs / groups, inner], or for a transposed convolution
/// [inputs, outputs / groups, inner].
struct WeightShape {
  size_t rows = 0, columns = 0, inner = 1, groups = 1;
  bool transposed = false;

  size_t outputs() const { return transposed ? columns * groups : rows; }
  size_t inputs() const { return transposed ? rows : columns * groups; }

  /// visit(output channel, first element) for the runs of `inner` elements that make an output channel.
  template <typename Visit>
  void for_each_output(size_t channel, Visit visit) const {
    const auto run = [&](size_t, size_t begin) { visit(channel, begin); };
    transposed ? column(channel, run) : row(channel, run);
  }
  /// The same for those that read an input channel.
  template <typename Visit>
  void for_each_input(size_t channel, Visit visit) const {
    if (!transposed) return column(channel, visit);
    const size_t first_output = channel / (rows / groups) * columns;
    row(channel, [&](size_t index, size_t begin) { visit(first_output + index, begin); });
  }

 private:
  /// visit(column, first element)
  template <typename Visit>
  void row(size_t index, Visit visit) const {
    for (size_t i = 0; i < columns; ++i) visit(i, (index * columns + i) * inner);
  }
  /// visit(row, first element); columns count through the groups.
  template <typename Visit>
  void column(size_t index, Visit visit) const {
    const size_t group_rows = rows / groups;
    const size_t first = index / columns * group_rows;
    for (size_t i = first; i < first + group_rows; ++i) visit(i, (i * columns + index % columns) * inner);
  }
};

/// A convolution or linear layer with parameters that nothing else reads, and the batch norm after it, if there is one.
struct EqualizedLayer {
  NodeId node = kNoNode;
  ValueId weight = kNoValue, bias = kNoValue;
  ValueId gamma = kNoValue, beta = kNoValue;
  std::vector<float> inverse_deviation;  ///< 1 / sqrt(running_var + eps) of the batch norm.
  ValueId result = kNoValue;             ///< Of the layer and its batch norm.
  WeightShape shape;
};

struct SecondLayer {
  EqualizedLayer layer;
  size_t repeat = 1;  ///< So many inputs in a row are one channel, flattened.
};

/// A layer and all that read its result.
struct EqualizedLayers {
  EqualizedLayer first;
  std::vector<SecondLayer> seconds;
};

std::vector<EqualizedLayers> find_equalized_layers(const Graph& graph);

}  // namespace tinyml::quantization
