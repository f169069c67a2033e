#pragma once

#include <memory>
#include <vector>

#include "tinyml/train.h"

namespace tinyml::train {

struct DistillationOptions {
  enum class Kind : uint8_t {
    kLogits,  ///< Divergence of the class probabilities along `dim`.
    kValues,  ///< Squared difference over the variance of the teacher's output, for regression.
  };
  Kind kind = Kind::kLogits;
  double temperature = 4.0;  ///< Softens both distributions; above 0.
  double weight = 0.5;       ///< Share of the teacher's loss in the sum, in [0, 1].
  int64_t dim = 1;           ///< Where the classes are.
};

/// A loss that makes a model follow what it was before it was pruned or quantized (Hinton et al. 2015, "Distilling the
/// knowledge in a neural network"), for the finetune:
///
///     Distillation distillation(graph);  // before the cut
///     ...
///     const std::vector<at::Tensor> outputs = model.forward({x});
///     distillation(outputs, {x}, at::cross_entropy_loss(outputs[0], y)).backward();
class Distillation {
 public:
  /// The teacher is in eval mode and has weights of its own. Throws Error for options out of range.
  explicit Distillation(const Graph& teacher, const DistillationOptions& options = {});

  /// The task's `loss` (undefined: zero) and the teacher's, weighted: a scalar. All floating-point outputs count alike.
  /// Throws Error where the teacher's outputs for these `inputs` have other shapes.
  at::Tensor operator()(const std::vector<at::Tensor>& outputs, const std::vector<at::Tensor>& inputs,
                        const at::Tensor& loss = {});
  /// To move it to another device.
  GraphModule& teacher() { return *teacher_; }

 private:
  at::Tensor term(const at::Tensor& output, const at::Tensor& target) const;

  std::unique_ptr<GraphModule> teacher_;
  DistillationOptions options_;
};

}  // namespace tinyml::train
