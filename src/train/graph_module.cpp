#include <ATen/Functions.h>
#include <ATen/core/grad_mode.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cstring>
#include <tuple>

#include "tinyml/train.h"
#include "train/fake_quant.h"
#include "train/folded_layers.h"
#include "train/ivalues.h"
#include "train/program.h"

namespace tinyml::train {
namespace {

/// A module that only holds others and tensors.
class Holder : public torch::nn::Module {};

/// Copies weights; those that share memory share it again, and one tensor under two names becomes one tensor.
class WeightCopier {
 public:
  at::Tensor copy(const Tensor& source) {
    const Key key{source.storage().data(), source.offset(), source.shape(), source.strides(), source.type()};
    const auto [entry, inserted] = tensors_.try_emplace(key);
    if (inserted || source.numel() == 0) {
      at::Tensor bytes = storage_of(source.storage());
      entry->second = at::empty({0}, at::TensorOptions(to_torch(source.type())))
                          .set_(bytes.storage(), source.offset(), source.shape(), source.strides());
    }
    return entry->second;
  }

 private:
  using Key = std::tuple<const std::byte*, int64_t, std::vector<int64_t>, std::vector<int64_t>, ScalarType>;

  at::Tensor storage_of(const Storage& storage) {
    const auto [entry, inserted] = storages_.try_emplace(storage.data());
    if (inserted || storage.size() == 0) {
      entry->second = at::empty({static_cast<int64_t>(storage.size())}, at::TensorOptions(at::kByte));
      if (storage.size() > 0) std::memcpy(entry->second.mutable_data_ptr(), storage.data(), storage.size());
    }
    return entry->second;
  }

  std::map<const std::byte*, at::Tensor> storages_;
  std::map<Key, at::Tensor> tensors_;
};

/// Says how `tensor` fails to be the input, or "".
std::string input_problem(const Value& value, const at::Tensor& tensor) {
  if (!tensor.defined()) return fmt::format("input '{}' is undefined", value.name);
  if (value.kind != ValueKind::kTensor) {
    return tensor.numel() == 1 ? "" : fmt::format("input '{}' must be one number", value.name);
  }
  const TensorType& type = value.tensor;
  bool fits = type.rank() == tensor.dim();
  for (size_t i = 0; fits && i < type.shape.size(); ++i) {
    fits = !type.shape[i].is_static() || type.shape[i].hint() == tensor.size(static_cast<int64_t>(i));
  }
  if (!fits) {
    std::vector<std::string> sizes;
    for (const Dim& dim : type.shape) sizes.push_back(dim.to_string());
    return fmt::format("input '{}' has the shape [{}] where the model was captured with [{}]", value.name,
                       fmt::join(tensor.sizes(), ", "), fmt::join(sizes, ", "));
  }
  if (tensor.scalar_type() != to_torch(type.type)) {
    return fmt::format("input '{}' is {} where the model was captured with {}", value.name,
                       c10::toString(tensor.scalar_type()), c10::toString(to_torch(type.type)));
  }
  return "";
}

bool is_result(const Output& output) { return output.kind == OutputKind::kUser || output.kind == OutputKind::kLoss; }

}  // namespace

struct GraphModule::State {
  TensorsByName tensors;  ///< By the binding's name; tied ones are one tensor.
  Program program;
  FakeQuantizers quantizers;
  std::vector<Diagnostic> untrainable;
  bool batch_norm_frozen = false;

  const Graph& graph() const { return program.graph; }

  /// With the parameters, buffers and constants, these on the device.
  Frame make_frame(const RunMode& mode) {
    Frame frame(program, mode);
    for (const Binding& binding : graph().bindings()) {
      at::Tensor& tensor = tensors.at(binding.fqn);
      if (binding.kind == BindingKind::kConstant && tensor.device() != mode.device) tensor = tensor.to(mode.device);
      frame.set(binding.value, tensor);
    }
    return frame;
  }

  void update_weight_scales(c10::Device device) {
    if (!quantizers.switches.observing) return;
    RunMode mode;
    mode.device = device;
    Frame frame = make_frame(mode);
    quantizers.update_weight_scales(frame);
  }
};

GraphModule::GraphModule(const Graph& graph) : state_(std::make_unique<State>()) {
  std::map<std::string, torch::nn::Module*> holders = {{"", this}};
  const auto holder_of = [&](const std::string& path) {
    torch::nn::Module* holder = this;
    for (size_t begin = 0; begin < path.size();) {
      const size_t end = std::min(path.find('.', begin), path.size());
      torch::nn::Module*& inner = holders[path.substr(0, end)];
      if (inner == nullptr) {
        inner = holder->register_module(path.substr(begin, end - begin), std::make_shared<Holder>()).get();
      }
      holder = inner;
      begin = end + 1;
    }
    return holder;
  };

  WeightCopier copier;
  std::map<const c10::TensorImpl*, std::string> registered;
  for (const Binding& binding : graph.bindings()) {
    if (!binding.data.defined()) throw Error(fmt::format("'{}' has no data", binding.fqn));
    at::Tensor tensor = copier.copy(binding.data);
    state_->tensors[binding.fqn] = tensor;
    if (binding.kind == BindingKind::kConstant) continue;
    if (!registered.emplace(tensor.unsafeGetTensorImpl(), binding.fqn).second) continue;
    const size_t dot = binding.fqn.rfind('.');
    const std::string path = dot == std::string::npos ? "" : binding.fqn.substr(0, dot);
    const std::string name = dot == std::string::npos ? binding.fqn : binding.fqn.substr(dot + 1);
    if (binding.kind == BindingKind::kParameter) {
      holder_of(path)->register_parameter(name, tensor, graph.tensor_type(binding.value).requires_grad);
    } else {
      holder_of(path)->register_buffer(name, tensor);
    }
  }

  std::vector<Diagnostic> problems;
  const NameOf name_of = [&graph](ValueId value) {
    const Binding* binding = graph.binding_of(value);
    return binding == nullptr ? std::string() : binding->fqn;
  };
  state_->program = make_program(graph, name_of, state_->tensors, problems);
  if (!problems.empty()) throw Error("LibTorch cannot run the graph", std::move(problems));
  attach_folded_layers(state_->program, state_->tensors, state_->untrainable);
  state_->quantizers.attach(state_->program, state_->tensors, [&](const std::string& fqn, at::Tensor tensor) {
    const size_t dot = fqn.rfind('.');
    holder_of(dot == std::string::npos ? "" : fqn.substr(0, dot))
        ->register_buffer(dot == std::string::npos ? fqn : fqn.substr(dot + 1), std::move(tensor));
  });
  torch::nn::Module::train(false);
}

GraphModule::~GraphModule() = default;

void GraphModule::train(bool on) {
  if (on && !state_->batch_norm_frozen && !state_->untrainable.empty()) {
    throw Error("the model cannot be trained", state_->untrainable);
  }
  if (is_training() && !on) state_->update_weight_scales(device());  // The optimizer's last step has moved the weights.
  torch::nn::Module::train(on);
}

void GraphModule::set_observing(bool on) { state_->quantizers.switches.observing = on; }
void GraphModule::set_quantizing(bool on) { state_->quantizers.switches.quantizing = on; }
void GraphModule::freeze_batch_norm(bool on) { state_->batch_norm_frozen = on; }

void GraphModule::calibrate(const std::vector<std::vector<at::Tensor>>& samples) {
  if (samples.empty()) throw Error("there is no sample to calibrate with", "give representative inputs");
  if (!state_->quantizers.has_activations())
    throw Error("the model has no FakeQuant to calibrate", "quantize it first");
  const bool was_training = is_training();
  eval();
  state_->quantizers.reset_statistics();
  QuantizationSwitches& switches = state_->quantizers.switches;
  switches.calibrating = true;
  try {
    const at::AutoGradMode no_grad(false);
    for (const std::vector<at::Tensor>& sample : samples) forward(sample);
  } catch (...) {
    switches.calibrating = false;
    train(was_training);
    throw;
  }
  switches.calibrating = false;
  train(was_training);
  std::vector<Diagnostic> unseen = state_->quantizers.update_activation_scales();
  if (!unseen.empty()) throw Error("the model could not be calibrated", std::move(unseen));
}

at::Device GraphModule::device() const {
  for (const Binding& binding : state_->graph().bindings()) {
    if (binding.kind != BindingKind::kConstant) return state_->tensors.at(binding.fqn).device();
  }
  return at::kCPU;
}

std::vector<at::Tensor> GraphModule::forward(const std::vector<at::Tensor>& inputs) {
  const Graph& graph = state_->graph();
  std::vector<const Input*> wanted;
  for (const Input& input : graph.inputs()) {
    if (input.value != kNoValue) wanted.push_back(&input);
  }
  if (wanted.size() != inputs.size()) {
    throw Error(fmt::format("the model has {} inputs, {} were given", wanted.size(), inputs.size()));
  }
  std::vector<Diagnostic> problems;
  for (size_t i = 0; i < inputs.size(); ++i) {
    std::string problem = input_problem(graph.value(wanted[i]->value), inputs[i]);
    if (!problem.empty()) {
      problems.push_back({std::move(problem), "", {}, "export the model with such inputs, or with dynamic_shapes"});
    }
  }
  if (!problems.empty()) throw Error("the inputs do not fit the model", std::move(problems));

  RunMode mode;
  mode.training = is_training();
  mode.device = device();
  mode.batch_norm_frozen = state_->batch_norm_frozen;
  Frame frame = state_->make_frame(mode);
  for (size_t i = 0; i < inputs.size(); ++i) {
    const bool number = graph.value(wanted[i]->value).kind != ValueKind::kTensor;
    frame.set(wanted[i]->value, number ? c10::IValue(inputs[i].item()) : c10::IValue(inputs[i]));
  }
  frame.run_all();

  const std::vector<c10::IValue> values = frame.outputs();
  std::vector<at::Tensor> results;
  const at::AutoGradMode no_grad(false);
  for (size_t i = 0; i < values.size(); ++i) {
    const Output& output = graph.outputs()[i];
    if (is_result(output)) {
      results.push_back(to_tensor(values[i], mode.device));
      continue;
    }
    at::Tensor target;
    if (output.kind == OutputKind::kInputMutation) {
      for (size_t k = 0; k < inputs.size(); ++k) {
        if (wanted[k]->name == output.target) target = inputs[k];
      }
    } else {
      target = state_->tensors.at(output.target);
    }
    TINYML_CHECK(target.defined());
    const at::Tensor value = to_tensor(values[i], mode.device);
    if (!value.is_same(target)) target.copy_(value);
  }
  return results;
}

at::Tensor GraphModule::forward(const at::Tensor& input) {
  std::vector<at::Tensor> results = forward(std::vector<at::Tensor>{input});
  if (results.size() != 1) {
    throw Error(fmt::format("the model has {} outputs", results.size()), "call forward with a vector of inputs");
  }
  return results[0];
}

std::vector<std::pair<std::string, at::Tensor>> GraphModule::state_dict() const {
  std::vector<std::pair<std::string, at::Tensor>> result;
  for (const Binding& binding : state_->graph().bindings()) {
    const bool in_dict =
        binding.kind == BindingKind::kParameter || (binding.kind == BindingKind::kBuffer && binding.persistent);
    if (in_dict) result.emplace_back(binding.fqn, state_->tensors.at(binding.fqn));
  }
  return result;
}

Graph GraphModule::graph() const {
  if (is_training()) state_->update_weight_scales(device());
  Graph graph = state_->graph();
  std::map<const c10::TensorImpl*, Tensor> copies;
  for (const Binding& binding : state_->graph().bindings()) {
    if (binding.kind == BindingKind::kConstant) continue;
    const at::Tensor& tensor = state_->tensors.at(binding.fqn);
    const auto [copy, inserted] = copies.try_emplace(tensor.unsafeGetTensorImpl());
    if (inserted) copy->second = from_torch(tensor);
    graph.set_binding_data(binding.value, copy->second);
  }
  return graph;
}

}  // namespace tinyml::train
