#include <ATen/Functions.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tinyml/distill.h"
#include "tinyml/schema.h"

namespace tinyml::train {
namespace {

/// x W^T with the weight `scale` times 0, 1, 2, ...
Graph linear(float scale) {
  Graph graph;
  const ValueId x = graph.add_input("x", TensorType::of(ScalarType::kFloat32, {2, 2}));
  Tensor weight(ScalarType::kFloat32, {3, 2});
  for (int i = 0; i < 6; ++i) weight.mutable_data<float>()[i] = scale * static_cast<float>(i);
  const ValueId w = graph.add_binding(BindingKind::kParameter, "weight", weight);
  TensorType type = graph.tensor_type(w);
  type.requires_grad = true;
  graph.set_tensor_type(w, type);
  const char* op = "aten.linear.default";
  const ValueId y = graph.add_operator(op, make_args(op, {{"input", x}, {"weight", w}}),
                                       TensorType::of(ScalarType::kFloat32, {2, 3}));
  graph.add_output({y, OutputKind::kUser, ""});
  return graph;
}

at::Tensor example() { return at::arange(4, at::kFloat).reshape({2, 2}) - 1; }

TEST(Distillation, IsTheDivergenceOfSoftenedProbabilities) {
  Distillation distillation(linear(0.5f), {.temperature = 2.0, .weight = 0.25});
  GraphModule student(linear(0.1f));
  const std::vector<at::Tensor> inputs = {example()};
  const at::Tensor own = student.forward(example()), target = distillation.teacher().forward(example());
  double expected = 0.0;
  const at::Tensor p = at::softmax(target / 2, 1), q = at::softmax(own / 2, 1);
  for (int64_t i = 0; i < 2; ++i) {
    for (int64_t j = 0; j < 3; ++j) {
      const double a = p[i][j].item<double>(), b = q[i][j].item<double>();
      expected += 4.0 * a * std::log(a / b) / 2.0;
    }
  }
  const at::Tensor loss = distillation({own}, inputs, at::full({}, 8.0));
  EXPECT_NEAR(loss.item<double>(), 0.25 * expected + 0.75 * 8.0, 1e-5);
  EXPECT_NEAR(distillation({target}, inputs).item<double>(), 0.0, 1e-6);
}

TEST(Distillation, TrainsTheStudentAlone) {
  DistillationOptions options;
  options.kind = DistillationOptions::Kind::kValues;
  options.weight = 1.0;
  Distillation distillation(linear(0.5f), options);
  GraphModule student(linear(0.1f));
  const auto loss = [&] { return distillation({student.forward(example())}, {example()}); };
  const double before = loss().item<double>();
  for (int step = 0; step < 30; ++step) {
    loss().backward();
    const at::NoGradGuard guard;
    for (at::Tensor& parameter : student.parameters()) {
      parameter.sub_(parameter.grad(), 2.0);
      parameter.grad().zero_();
    }
  }
  EXPECT_LT(loss().item<double>(), 0.2 * before);
  for (const at::Tensor& parameter : distillation.teacher().parameters()) EXPECT_FALSE(parameter.grad().defined());
}

TEST(Distillation, RefusesWhatDoesNotFit) {
  EXPECT_THROW(Distillation(linear(1.0f), {.weight = 1.5}), Error);
  EXPECT_THROW(Distillation(linear(1.0f), {.temperature = 0.0}), Error);
  Distillation distillation(linear(1.0f));
  EXPECT_THROW(distillation({at::zeros({2, 4})}, {example()}), Error);
  EXPECT_THROW(distillation({at::zeros({2, 3}, at::kLong)}, {example()}), Error);
}

}  // namespace
}  // namespace tinyml::train
