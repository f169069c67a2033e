#include <ATen/Functions.h>
#include <ATen/core/grad_mode.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "tinyml/distill.h"

namespace tinyml::train {
namespace {

std::vector<at::Tensor> floating(const std::vector<at::Tensor>& tensors) {
  std::vector<at::Tensor> result;
  for (const at::Tensor& tensor : tensors) {
    if (tensor.defined() && tensor.is_floating_point()) result.push_back(tensor);
  }
  return result;
}

std::string shapes_of(const std::vector<at::Tensor>& tensors) {
  std::vector<std::string> shapes;
  for (const at::Tensor& tensor : tensors) shapes.push_back(fmt::format("[{}]", fmt::join(tensor.sizes(), ", ")));
  return fmt::format("{}", fmt::join(shapes, ", "));
}

}  // namespace

Distillation::Distillation(const Graph& teacher, const DistillationOptions& options) : options_(options) {
  if (!(options.weight >= 0.0 && options.weight <= 1.0) || !(options.temperature > 0.0)) {
    throw Error("a distillation takes a weight in [0, 1] and a temperature above 0");
  }
  teacher_ = std::make_unique<GraphModule>(teacher);
  for (at::Tensor& parameter : teacher_->parameters()) parameter.requires_grad_(false);
}

at::Tensor Distillation::operator()(const std::vector<at::Tensor>& outputs, const std::vector<at::Tensor>& inputs,
                                    const at::Tensor& loss) {
  std::vector<at::Tensor> targets;
  {
    const at::NoGradGuard guard;
    targets = floating(teacher_->forward(inputs));
  }
  const std::vector<at::Tensor> own = floating(outputs);
  const auto same_shape = [](const at::Tensor& a, const at::Tensor& b) { return a.sizes() == b.sizes(); };
  if (!std::equal(own.begin(), own.end(), targets.begin(), targets.end(), same_shape)) {
    throw Error(fmt::format("the teacher's outputs have other shapes than the model's: {} and {}", shapes_of(targets),
                            shapes_of(own)));
  }
  if (own.empty()) throw Error("neither the model nor the teacher has a floating-point output");
  std::vector<at::Tensor> terms;
  for (size_t i = 0; i < own.size(); ++i) terms.push_back(term(own[i], targets[i]));
  const at::Tensor total = at::stack(terms).mean() * options_.weight;
  return loss.defined() ? total + loss * (1.0 - options_.weight) : total;
}

at::Tensor Distillation::term(const at::Tensor& output, const at::Tensor& target) const {
  const at::Tensor own = output.to(at::kFloat), wanted = target.to(at::kFloat);
  if (options_.kind == DistillationOptions::Kind::kValues) {
    return at::mse_loss(own, wanted) / wanted.var(false).clamp_min(1e-12);
  }
  const at::Tensor soft = at::log_softmax(own / options_.temperature, options_.dim);
  const at::Tensor goal = at::log_softmax(wanted / options_.temperature, options_.dim);
  // Times the squared temperature, so that gradients keep their size.
  return (goal.exp() * (goal - soft)).sum(options_.dim).mean() * (options_.temperature * options_.temperature);
}

}  // namespace tinyml::train
