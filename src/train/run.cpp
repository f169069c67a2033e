// Runs a program, step by step.
#include <ATen/Functions.h>
#include <ATen/autocast_mode.h>
#include <ATen/core/grad_mode.h>
#include <fmt/format.h>

#include <utility>

#include "train/program.h"

namespace tinyml::train {
namespace {

using Kind = Program::Kind;
using Step = Program::Step;

/// Autocast as `with torch.autocast(...)` sets it, for a scope.
class AutocastScope {
 public:
  AutocastScope(at::DeviceType device, bool enabled, std::optional<at::ScalarType> type, std::optional<bool> cache)
      : device_(device),
        enabled_(at::autocast::is_autocast_enabled(device)),
        type_(at::autocast::get_autocast_dtype(device)),
        cache_(at::autocast::is_autocast_cache_enabled()) {
    at::autocast::set_autocast_enabled(device, enabled);
    if (type) at::autocast::set_autocast_dtype(device, *type);
    if (cache) at::autocast::set_autocast_cache_enabled(*cache);
    at::autocast::increment_nesting();
  }
  AutocastScope(const AutocastScope&) = delete;
  AutocastScope& operator=(const AutocastScope&) = delete;
  ~AutocastScope() {
    if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();
    at::autocast::set_autocast_enabled(device_, enabled_);
    at::autocast::set_autocast_dtype(device_, type_);
    at::autocast::set_autocast_cache_enabled(cache_);
  }

 private:
  at::DeviceType device_;
  bool enabled_;
  at::ScalarType type_;
  bool cache_;
};

bool holds(const c10::IValue& value) {
  return value.isTensor() ? value.toTensor().item().toBool() : value.toScalar().toBool();
}

}  // namespace

ArgumentContext Frame::context() const {
  return {[this](ValueId id) -> const c10::IValue& { return value(id); }, mode_.device};
}

std::vector<c10::IValue> Frame::arguments(const Step& step) const {
  const ArgumentContext where = context();
  std::vector<c10::IValue> args;
  args.reserve(step.args.size());
  for (const Program::PreparedArgument& arg : step.args) {
    if (arg.is_constant) {
      args.push_back(arg.constant);
    } else {
      args.push_back(arg.type ? to_ivalue(arg.source, *arg.type, where) : to_ivalue(arg.source, where));
    }
  }
  return args;
}

void Frame::apply_mode(const Step& step, std::vector<c10::IValue>& args) const {
  const Program::ModeRule& rule = step.mode;
  if (rule.observer && !mode_.training) args[*rule.observer] = at::zeros_like(args[*rule.observer].toTensor());
  if (!rule.training) return;
  const bool training = rule.is_norm ? mode_.normalizes_by_batch() : mode_.training;
  args[*rule.training] = training;
  if (!training || !rule.counter.defined()) return;
  rule.counter.add_(1);
  if (rule.momentum && args[*rule.momentum].toScalar().toDouble() == 0) {
    args[*rule.momentum] = 1.0 / static_cast<double>(rule.counter.item<int64_t>());
  }
}

at::Tensor Frame::call_with(const Step& step, const std::vector<std::pair<size_t, c10::IValue>>& replaced) const {
  std::vector<c10::IValue> stack = arguments(step);
  for (const auto& [index, value] : replaced) stack.at(index) = value;
  step.op->callBoxed(stack);
  return stack.at(0).toTensor();
}

void Frame::run_operator(const Step& step) {
  if (step.mode.counts_batches && !mode_.normalizes_by_batch()) {
    // The count as it is, for whoever reads it.
    const Node& node = program_.graph.node(step.node);
    return store(node, {value(node.args[0].value.as_value())});
  }
  std::vector<c10::IValue> stack = arguments(step);
  if (step.kind == Kind::kNumber) {
    stack = {step.number(stack)};
  } else {
    apply_mode(step, stack);
    step.op->callBoxed(stack);
  }
  store(program_.graph.node(step.node), std::move(stack));
}

void Frame::store(const Node& node, std::vector<c10::IValue> results) {
  if (node.returns_list && results.size() == 1 && results[0].isList()) {
    const auto items = results[0].toListRef().vec();
    results.assign(items.begin(), items.end());
  }
  for (size_t i = 0; i < node.outputs.size(); ++i) {
    if (node.outputs[i] != kNoValue) set(node.outputs[i], results.at(i));
  }
}

std::vector<c10::IValue> Frame::operands(const Argument& list) const {
  std::vector<c10::IValue> result;
  for (const Argument& item : list.as_list()) result.push_back(to_ivalue(item, context()));
  return result;
}

std::vector<c10::IValue> Frame::run_body(const Program& body, const std::vector<c10::IValue>& inputs) const {
  Frame inner(body, mode_);
  for (size_t i = 0; i < body.graph.inputs().size(); ++i) {
    const ValueId id = body.graph.inputs()[i].value;
    if (id != kNoValue) inner.set(id, inputs.at(i));
  }
  inner.run_all();
  return inner.outputs();
}

void Frame::run_control(const Step& step) {
  const Node& node = program_.graph.node(step.node);
  const auto list = [&](size_t index) {
    return index < node.args.size() ? operands(node.args[index].value) : std::vector<c10::IValue>();
  };
  const auto from = [&](size_t first) {
    std::vector<c10::IValue> result;
    for (size_t i = first; i < node.args.size(); ++i) result.push_back(to_ivalue(node.args[i].value, context()));
    return result;
  };
  switch (step.kind) {
    case Kind::kCond: {
      const bool first = holds(to_ivalue(node.args[0].value, context()));
      return store(node, run_body(*step.bodies[first ? 0 : 1], list(3)));
    }
    case Kind::kWhile: {
      std::vector<c10::IValue> carried = list(2);
      const std::vector<c10::IValue> additional = list(3);
      while (true) {
        std::vector<c10::IValue> all = carried;
        all.insert(all.end(), additional.begin(), additional.end());
        if (!holds(run_body(*step.bodies[0], all).at(0))) return store(node, std::move(carried));
        carried = run_body(*step.bodies[1], all);
      }
    }
    case Kind::kSetGrad: {
      const at::AutoGradMode scope(node.args[0].value.as_bool());
      return store(node, run_body(*step.bodies[0], from(2)));
    }
    default: {
      const Argument& type = node.args[1].value;
      std::optional<at::ScalarType> element;
      if (!type.is_none()) element = to_torch(type.as_scalar_type());
      std::optional<bool> cache;
      if (node.args[3].value.is_bool()) cache = node.args[3].value.as_bool();
      const AutocastScope scope(mode_.device.type(), node.args[2].value.as_bool(), element, cache);
      return store(node, run_body(*step.bodies[0], from(5)));
    }
  }
}

void Frame::run(const Step& step) {
  const Node& node = program_.graph.node(step.node);
  try {
    if (step.replacement) {
      if (std::optional<at::Tensor> result = step.replacement(*this)) return store(node, {std::move(*result)});
    }
    if (step.kind == Kind::kOperator || step.kind == Kind::kNumber) {
      run_operator(step);
    } else if (step.kind != Kind::kNothing) {
      run_control(step);
    }
  } catch (const c10::Error& error) {
    throw Error(
        {fmt::format("{}: {}", node.op, error.what_without_backtrace()), node.module_path(), node.source(), ""});
  } catch (const std::exception& error) {
    const bool ours = dynamic_cast<const Error*>(&error) != nullptr;
    if (ours && !static_cast<const Error&>(error).diagnostics()[0].where.empty()) throw;
    throw Error({fmt::format("{}: {}", node.op, error.what()), node.module_path(), node.source(), ""});
  }
}

void Frame::run_all() {
  for (const Step& step : program_.steps) {
    run(step);
    for (const ValueId id : step.last_reads) set(id, {});
  }
}

std::vector<c10::IValue> Frame::outputs() const {
  std::vector<c10::IValue> results;
  for (const Output& output : program_.graph.outputs()) results.push_back(to_ivalue(output.value, context()));
  return results;
}

}  // namespace tinyml::train
