#include "train/fake_quant.h"

#include <ATen/Functions.h>
#include <ATen/core/grad_mode.h>

#include <limits>
#include <set>

#include "tinyml/calibration.h"
#include "train/activation_quantizer.h"
#include "train/rounding.h"

namespace tinyml::train {
namespace {

constexpr int64_t kHistogramBins = 2048;
constexpr double kSmallestScale = 0x1p-40;

bool is_per_tensor(const Node& node) { return node.op == "aten.fake_quantize_per_tensor_affine.tensor_qparams"; }
bool is_fixed(const Node& node) { return node.op == "aten.fake_quantize_per_tensor_affine.default"; }
bool is_per_channel(const Node& node) { return node.op == "aten.fake_quantize_per_channel_affine.default"; }
bool is_fused(const Node& node) { return node.op == "aten.fused_moving_avg_obs_fake_quant.default"; }

bool is_weight(const Graph& graph, const Node& node) {
  const auto& stack = node.metadata.module_stack;
  return is_per_channel(node) || (!stack.empty() && stack.back().type.ends_with(".WeightFakeQuantize")) ||
         graph.binding_of(node.arg("self").as_value()) != nullptr;
}

/// "stem.fq_x.scale" -> "stem.fq_x.running_min"; another name of the scale keeps its own in front.
std::string beside(const std::string& scale, const std::string& name) {
  const std::string suffix = "scale";
  const bool plain = scale == suffix || scale.ends_with("." + suffix);
  return (plain ? scale.substr(0, scale.size() - suffix.size()) : scale + "_") + name;
}

/// What the node computes. Numbers in place of the scale and zero point are those of a fixed FakeQuant.
std::function<at::Tensor(const Frame&)> rounding_of(const Node& node) {
  const ValueId self = node.arg("self").as_value();
  const RoundingLimits limits{node.arg("quant_min").as_int(), node.arg("quant_max").as_int()};
  if (is_fixed(node)) {
    const at::Tensor scale = at::full({1}, node.arg("scale").as_double(), at::kFloat);
    const at::Tensor zero_point = at::full({1}, node.arg("zero_point").as_int(), at::kInt);
    return [=](const Frame& frame) {
      const c10::Device device = frame.mode().device;
      return fake_quantize(frame.tensor(self), scale.to(device), zero_point.to(device), limits);
    };
  }
  std::optional<int64_t> axis;
  if (is_per_channel(node)) axis = node.arg("axis").as_int();
  return [=, scale = node.arg("scale").as_value(), zero_point = node.arg("zero_point").as_value()](const Frame& frame) {
    return fake_quantize(frame.tensor(self), frame.tensor(scale), frame.tensor(zero_point), limits, axis);
  };
}

}  // namespace

FakeQuantizers::FakeQuantizers() = default;
FakeQuantizers::~FakeQuantizers() = default;

void FakeQuantizers::attach(Program& program, TensorsByName& tensors, const AddBuffer& add_buffer) {
  program_ = &program;
  const Graph& graph = program.graph;
  for (Program::Step& step : program.steps) {
    const Node& node = graph.node(step.node);
    const bool owns_scale = (is_per_tensor(node) || is_per_channel(node)) && node.arg("scale").is_value() &&
                            graph.binding_of(node.arg("scale").as_value()) != nullptr &&
                            !quantization::is_requantize(node);
    if (owns_scale && is_weight(graph, node)) {
      attach_weight(step, node, graph, tensors);
    } else if (owns_scale && is_per_tensor(node)) {
      attach_activation(step, node, graph, tensors, add_buffer);
    } else if (is_per_tensor(node) || is_per_channel(node) || is_fixed(node)) {
      step.replacement = [this, self = node.arg("self").as_value(),
                          round = rounding_of(node)](Frame& frame) -> std::optional<at::Tensor> {
        return switches.rounds() ? round(frame) : frame.tensor(self);
      };
    } else if (is_fused(node)) {
      const size_t observer = node.arg_index("observer_on");
      const size_t rounding = node.arg_index("fake_quant_on");
      const ValueId on = node.arg("observer_on").as_value();
      step.replacement = [this, observer, rounding, on, &step](Frame& frame) -> std::optional<at::Tensor> {
        const bool observes = switches.calibrating || (frame.mode().training && switches.observing);
        std::vector<std::pair<size_t, c10::IValue>> replaced;
        if (!observes) replaced.emplace_back(observer, at::zeros_like(frame.tensor(on)));
        if (!switches.rounds()) replaced.emplace_back(rounding, at::zeros_like(frame.tensor(on)));
        return frame.call_with(step, replaced);
      };
    }
  }
  find_weight_steps();
}

void FakeQuantizers::attach_activation(Program::Step& step, const Node& node, const Graph& graph,
                                       TensorsByName& tensors, const AddBuffer& add_buffer) {
  const ValueId scale = node.arg("scale").as_value();
  const Binding* zero_point = graph.binding_of(node.arg("zero_point").as_value());
  if (zero_point == nullptr) return;
  std::unique_ptr<ActivationQuantizer>& quantizer = activations_[scale];
  if (quantizer == nullptr) {
    quantizer = std::make_unique<ActivationQuantizer>();
    quantizer->settings = quantization::read_observer_settings(node, Observer::kMovingAverage);
    const std::string name = graph.binding_of(scale)->fqn;
    quantizer->scale = tensors.at(name);
    quantizer->zero_point = tensors.at(zero_point->fqn);
    quantizer->place = {graph.value(node.output()).name, node.module_path(), node.source(), ""};
    const auto statistic = [&](const std::string& kind, const at::Tensor& initial) {
      const std::string own = beside(name, kind);
      if (tensors.find(own) == tensors.end()) {
        tensors[own] = initial;
        add_buffer(own, initial);
      }
      return tensors.at(own);
    };
    const at::TensorOptions options = quantizer->scale.options().dtype(at::kFloat);
    constexpr float kInfinity = std::numeric_limits<float>::infinity();
    quantizer->running_min = statistic("running_min", at::full({1}, kInfinity, options));
    quantizer->running_max = statistic("running_max", at::full({1}, -kInfinity, options));
    if (reads_histogram(quantizer->settings.scheme.observer)) {
      quantizer->histogram = statistic("histogram", at::zeros({kHistogramBins}, options));
    }
  }
  step.replacement = [this, quantizer = quantizer.get(), self = node.arg("self").as_value(),
                      round = rounding_of(node)](Frame& frame) -> std::optional<at::Tensor> {
    const at::Tensor x = frame.tensor(self);
    if (switches.calibrating) {
      quantizer->observe(x);
      return x;
    }
    if (frame.mode().training && switches.observing) {
      const at::Tensor result = quantizer->observe_and_round(x, switches.quantizing);
      if (result.defined()) return result;
      quantizer->observe(x);
      quantizer->update_scale();
    }
    return switches.quantizing ? round(frame) : x;
  };
}

void FakeQuantizers::attach_weight(Program::Step& step, const Node& node, const Graph& graph,
                                   const TensorsByName& tensors) {
  auto weight = std::make_unique<Weight>();
  weight->value = node.arg("self").as_value();
  weight->scale = tensors.at(graph.binding_of(node.arg("scale").as_value())->fqn);
  weight->axis = is_per_channel(node) ? node.arg("axis").as_int() : -1;
  weight->quant_min = node.arg("quant_min").as_int();
  weight->quant_max = node.arg("quant_max").as_int();
  step.replacement = [this, weight = weight.get(),
                      round = rounding_of(node)](Frame& frame) -> std::optional<at::Tensor> {
    const at::Tensor x = frame.tensor(weight->value);
    if (frame.mode().training && switches.observing) weight->observe(x);
    return switches.rounds() ? round(frame) : x;
  };
  weights_.push_back(std::move(weight));
}

void FakeQuantizers::Weight::observe(const at::Tensor& weight) const {
  const at::AutoGradMode no_grad(false);
  const at::Tensor values = weight.detach();
  const auto [low, high] = axis < 0 ? at::aminmax(values) : at::aminmax(values.transpose(0, axis).flatten(1), 1);
  const auto largest = static_cast<double>(std::min(-quant_min, quant_max));
  scale.copy_((at::maximum(low.neg(), high) / largest).clamp_min(kSmallestScale).reshape_as(scale));
}

void FakeQuantizers::find_weight_steps() {
  std::set<ValueId> needed;
  for (const auto& weight : weights_) needed.insert(weight->value);
  for (auto step = program_->steps.rbegin(); step != program_->steps.rend(); ++step) {
    const Node& node = program_->graph.node(step->node);
    bool used = false;
    for (const ValueId output : node.outputs) used = used || needed.count(output) > 0;
    if (!used) continue;
    weight_steps_.insert(weight_steps_.begin(), &*step);
    for (const NamedArgument& arg : node.args) arg.value.for_each_value([&](ValueId value) { needed.insert(value); });
  }
}

void FakeQuantizers::update_weight_scales(Frame& frame) const {
  const at::AutoGradMode no_grad(false);
  for (const Program::Step* step : weight_steps_) frame.run(*step);
  for (const auto& weight : weights_) weight->observe(frame.tensor(weight->value));
}

void FakeQuantizers::reset_statistics() {
  for (const auto& [scale, quantizer] : activations_) quantizer->reset();
}

std::vector<Diagnostic> FakeQuantizers::update_activation_scales() {
  std::vector<Diagnostic> unseen;
  for (const auto& [scale, quantizer] : activations_) {
    if (quantizer->has_observed()) {
      quantizer->update_scale();
    } else {
      Diagnostic problem = quantizer->place;
      problem.what = "no finite value reached '" + problem.what + "'";
      problem.remedy = "calibrate with representative inputs";
      unseen.push_back(std::move(problem));
    }
  }
  return unseen;
}

}  // namespace tinyml::train
