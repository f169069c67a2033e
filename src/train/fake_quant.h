// FakeQuants in train mode: ranges of activations follow what passes, scales of weights the weights.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "train/program.h"

namespace tinyml::train {

struct QuantizationSwitches {
  bool observing = true;     ///< Train mode moves the ranges.
  bool quantizing = true;    ///< Values are rounded.
  bool calibrating = false;  ///< Activations are observed in any mode, nothing is rounded.

  bool rounds() const { return quantizing && !calibrating; }
};

class ActivationQuantizer;

class FakeQuantizers {
 public:
  /// Registers a buffer under that name.
  using AddBuffer = std::function<void(const std::string& name, at::Tensor tensor)>;

  FakeQuantizers();
  ~FakeQuantizers();
  FakeQuantizers(const FakeQuantizers&) = delete;
  FakeQuantizers& operator=(const FakeQuantizers&) = delete;

  /// Makes the program's FakeQuants follow `switches`; the program and this object must stay where they are.
  /// Statistics are the buffers running_min, running_max and histogram beside the scale; where the graph has none they
  /// are added.
  void attach(Program& program, TensorsByName& tensors, const AddBuffer& add_buffer);

  /// Scales of the weights from the weights as they are now. `frame` has the parameters and buffers.
  void update_weight_scales(Frame& frame) const;
  void reset_statistics();
  /// Scales of the activations from the statistics; one diagnostic for each that has none.
  std::vector<Diagnostic> update_activation_scales();
  bool has_activations() const { return !activations_.empty(); }

  QuantizationSwitches switches;

 private:
  struct Weight {
    ValueId value = kNoValue;  ///< The weight that is rounded.
    at::Tensor scale;
    int64_t axis = -1;  ///< -1: one scale.
    int64_t quant_min = 0;
    int64_t quant_max = 0;
    void observe(const at::Tensor& weight) const;
  };
  void attach_activation(Program::Step& step, const Node& node, const Graph& graph, TensorsByName& tensors,
                         const AddBuffer& add_buffer);
  void attach_weight(Program::Step& step, const Node& node, const Graph& graph, const TensorsByName& tensors);
  void find_weight_steps();

  const Program* program_ = nullptr;
  std::map<ValueId, std::unique_ptr<ActivationQuantizer>> activations_;  ///< By their scales.
  std::vector<std::unique_ptr<Weight>> weights_;
  std::vector<const Program::Step*> weight_steps_;  ///< What computes the weights from the parameters.
};

}  // namespace tinyml::train
