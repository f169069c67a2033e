#pragma once

#include <torch/nn/module.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tinyml/graph.h"

/// Execution and training with LibTorch. This header is the only one that needs it; link tinyml::train.
namespace tinyml::train {

/// Any Graph as a torch::nn::Module: each node is called through ATen's dispatcher by its schema name, so autograd,
/// devices and autocast work as in PyTorch. Parameters and buffers are registered in submodules under their names in
/// the original's state_dict; tied parameters once, under the first name. Starts in eval mode.
///
/// train() and eval() switch batch and instance norm (running statistics and num_batches_tracked included), dropout and
/// recurrent layers, whatever mode the graph was captured in. What the capture does not tell stays as captured: the
/// dropout inside scaled_dot_product_attention, branches on self.training of the user's own.
///
/// Buffers that the graph updates are updated in place, inputs it writes to as well. `cond` and `while_loop` run their
/// bodies.
///
/// FakeQuants train as the modules of tinyml.nn do: in train mode, while observing, the ranges of activations follow
/// what passes (moving average where the graph names no observer) and the scales of weights the weights; a layer with a
/// folded batch norm is trained with the batch's own statistics. Statistics of observers are buffers (running_min,
/// running_max, histogram) of this module, not of graph().
class GraphModule : public torch::nn::Module {
 public:
  /// Weights are copied. Throws Error listing every operator that ATen does not have (with the line of the source).
  explicit GraphModule(const Graph& graph);
  ~GraphModule() override;
  GraphModule(const GraphModule&) = delete;
  GraphModule& operator=(const GraphModule&) = delete;

  /// `inputs`: one tensor for each of the graph's inputs that is not a constant, of the captured type and shape
  /// (symbolic sizes are free), on the module's device; a symbolic number is a tensor of rank 0. Returns one tensor for
  /// each user output; None is undefined, a number a tensor of rank 0. Throws Error for inputs that do not fit, and for
  /// an operator that fails, naming it, its module and source line.
  std::vector<at::Tensor> forward(const std::vector<at::Tensor>& inputs);
  /// For a graph of one input and one output.
  at::Tensor forward(const at::Tensor& input);

  /// Throws Error when a layer with a folded batch norm is not in a form that can be trained.
  void train(bool on = true) override;

  /// Where the parameters are; the CPU when there are none.
  at::Device device() const;
  /// Everything PyTorch's state_dict has, in the graph's order, tied tensors under each of their names.
  std::vector<std::pair<std::string, at::Tensor>> state_dict() const;
  /// The graph with the present parameters, buffers and scales: to prune, convert, or write as .pt2.
  Graph graph() const;

  // --- quantization
  /// Whether train mode moves the ranges of FakeQuants. On at first.
  void set_observing(bool on);
  /// Whether FakeQuants round. On at first.
  void set_quantizing(bool on);
  /// Whether batch norms, folded ones too, compute with their running statistics in train mode as well. Off at first.
  void freeze_batch_norm(bool on = true);
  /// Finds the ranges of all activations anew from these inputs (one inner vector a run), in eval mode with nothing
  /// rounded. Throws Error when there is no sample or no FakeQuant, and for FakeQuants that no finite value reached.
  void calibrate(const std::vector<std::vector<at::Tensor>>& samples);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Copies; the result is contiguous on the CPU (to_torch) or in row-major order (from_torch). Undefined stays so.
at::Tensor to_torch(const Tensor& tensor);
/// Throws Error for element types that a Graph cannot hold (quantized, 8-bit floats).
Tensor from_torch(const at::Tensor& tensor);

}  // namespace tinyml::train
