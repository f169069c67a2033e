#pragma once

#include <Eigen/Core>
#include <optional>
#include <vector>

#include "tinyml/graph.h"

namespace tinyml::prune {

/// A layer as a matrix product: rows are output positions, columns the inputs of one output, outputs channels.
class LayerRows {
 public:
  /// Nothing for what is no ungrouped one- or two-dimensional convolution or linear layer with batched input and a
  /// weight of its own.
  static std::optional<LayerRows> of(const Graph& graph, NodeId id);

  ValueId input() const { return input_; }
  ValueId output() const { return output_; }
  ValueId weight() const { return weight_; }
  ValueId bias() const { return bias_; }  ///< kNoValue: none.
  int64_t columns() const { return columns_; }
  /// Dimension of the output that holds the channels.
  int64_t channel_dim() const { return is_linear_ ? output_rank_ - 1 : 1; }

  /// Output positions in a tensor of the output's shape.
  int64_t positions(const Tensor& output) const { return output.numel() / output.size(channel_dim()); }
  /// One row for each listed position: its inputs. `input`: float64, contiguous.
  void read_inputs(const Tensor& input, const Tensor& output, const std::vector<int64_t>& positions,
                   Eigen::Ref<Eigen::MatrixXd> rows) const;
  /// One row for each listed position: the listed channels. `output`: float64, contiguous.
  void read_outputs(const Tensor& output, const std::vector<int64_t>& positions, const std::vector<int64_t>& channels,
                    Eigen::Ref<Eigen::MatrixXd> rows) const;

 private:
  bool is_linear_ = false;
  ValueId input_ = kNoValue, output_ = kNoValue, weight_ = kNoValue, bias_ = kNoValue;
  int64_t columns_ = 0, output_rank_ = 0;
  /// By height and width; one-dimensional convolutions have a height of 1.
  int64_t kernel_[2] = {1, 1}, stride_[2] = {1, 1}, padding_[2] = {0, 0}, dilation_[2] = {1, 1};
};

}  // namespace tinyml::prune
