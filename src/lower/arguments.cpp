// Reading the arguments and outputs of the node at hand.
#include <fmt/format.h>

#include <algorithm>

#include "lower/dynamic/samples.h"
#include "lower/lowering.h"

namespace tinyml::lowering {

void Lowering::refuse(const std::string& what, const std::string& remedy) const {
  throw Error(Diagnostic{fmt::format("{}: {}", node().op, what), node().module_path(), node().source(), remedy});
}

void Lowering::refuse_dynamic(std::string_view name, const Argument& argument) const {
  if (argument.is_value()) {
    const Value& value = graph_.value(argument.as_value());
    const std::string size = value.symbol ? value.symbol->to_string() : value.name;
    refuse(fmt::format("argument '{}' is the dynamic size {}", name, size),
           "capture the model without dynamic shapes, so that every size is a number");
  }
  refuse(fmt::format("argument '{}' is of a kind that cannot be converted", name));
}

bool Lowering::is_size(const Argument& argument) const {
  return argument.is_value() && graph_.value(argument.as_value()).kind == ValueKind::kSymInt;
}

int64_t Lowering::as_integer(std::string_view name, const Argument& argument) const {
  if (argument.is_int() || argument.is_bool()) return argument.as_int();
  if (argument.is_value()) {
    const Value& value = graph_.value(argument.as_value());
    if (value.kind == ValueKind::kSymInt && value.symbol && (value.symbol->is_static() || !symbols.empty())) {
      return size_at(*value.symbol, symbols);
    }
  }
  refuse_dynamic(name, argument);
}

bool Lowering::has(std::string_view name) const { return node().has_arg(name) && !node().arg(name).is_none(); }

int64_t Lowering::integer(std::string_view name) const { return as_integer(name, node().arg(name)); }

double Lowering::number(std::string_view name) const {
  const Argument& argument = node().arg(name);
  if (argument.is_number()) return argument.as_double();
  if (argument.is_value()) {
    const Binding* binding = graph_.binding_of(argument.as_value());
    if (binding != nullptr && binding->data.numel() == 1) return binding->data.to_doubles()[0];
    if (is_size(argument)) return static_cast<double>(as_integer(name, argument));
  }
  refuse_dynamic(name, argument);
}

bool Lowering::flag(std::string_view name) const { return node().arg(name).as_bool(); }

Sizes Lowering::integers(std::string_view name) const {
  const Argument& argument = node().arg(name);
  if (!argument.is_list()) return {as_integer(name, argument)};
  Sizes result;
  for (const Argument& item : argument.as_list()) result.push_back(as_integer(name, item));
  return result;
}

Sizes Lowering::repeated(std::string_view name, size_t count, int64_t fallback) const {
  Sizes result = has(name) ? integers(name) : Sizes{};
  if (result.empty()) return Sizes(count, fallback);
  if (result.size() == 1) result.resize(count, result[0]);
  if (result.size() != count)
    refuse(fmt::format("argument '{}' has {} numbers instead of {}", name, result.size(), count));
  return result;
}

int64_t Lowering::axis(std::string_view name, int64_t rank) const {
  const int64_t axis = integer(name);
  const int64_t limit = std::max<int64_t>(rank, 1);
  if (axis < -limit || axis >= limit) refuse(fmt::format("dimension {} of a tensor with {}", axis, rank));
  return axis < 0 ? axis + limit : axis;
}

Sizes Lowering::axes(std::string_view name, int64_t rank) const {
  Sizes result = has(name) ? integers(name) : Sizes{};
  if (rank == 0 && std::all_of(result.begin(), result.end(), [](int64_t axis) { return axis == 0 || axis == -1; })) {
    return {};
  }
  for (int64_t& axis : result) {
    if (axis < -rank || axis >= rank) refuse(fmt::format("dimension {} of a tensor with {}", axis, rank));
    if (axis < 0) axis += rank;
  }
  if (result.empty()) {
    for (int64_t axis = 0; axis < rank; ++axis) result.push_back(axis);
  }
  std::sort(result.begin(), result.end());
  return result;
}

bool Lowering::is_tensor(std::string_view name) const {
  return has(name) && node().arg(name).is_value() &&
         graph_.value(node().arg(name).as_value()).kind == ValueKind::kTensor;
}

const Sizes& Lowering::sizes(std::string_view name) const {
  const ValueId value = node().arg(name).as_value();
  return sizes_.try_emplace(value, graph_.tensor_type(value).sizes()).first->second;
}

bool Lowering::is_dynamic(std::string_view name, size_t axis) const {
  return !graph_.tensor_type(node().arg(name).as_value()).shape.at(axis).is_static();
}

const Tensor* Lowering::constant_data(std::string_view name) const {
  if (!is_tensor(name)) return nullptr;
  const Binding* binding = graph_.binding_of(node().arg(name).as_value());
  return binding == nullptr ? nullptr : &binding->data;
}

const Tensor& Lowering::require_constant(std::string_view name) const {
  const Tensor* data = constant_data(name);
  if (data == nullptr) {
    refuse(fmt::format("argument '{}' is computed by the model; it must be a parameter, buffer or constant", name));
  }
  return *data;
}

TensorId Lowering::input(std::string_view name) {
  const Argument& argument = node().arg(name);
  if (argument.is_number()) return scalar(argument.as_double(), output_type());
  if (is_size(argument)) return scalar(static_cast<double>(as_integer(name, argument)), output_type());
  if (!is_tensor(name)) refuse_dynamic(name, argument);
  return tensor_of(argument.as_value());
}

TensorId Lowering::input(std::string_view name, Type type) {
  const Argument& argument = node().arg(name);
  if (argument.is_number()) return scalar(argument.as_double(), type);
  if (is_size(argument)) return scalar(static_cast<double>(as_integer(name, argument)), type);
  return cast(input(name), type);
}

std::vector<TensorId> Lowering::inputs(std::string_view name) {
  std::vector<TensorId> result;
  for (const Argument& item : node().arg(name).as_list()) {
    if (!item.is_value() || graph_.value(item.as_value()).kind != ValueKind::kTensor) {
      refuse(fmt::format("argument '{}' has an item that is not a tensor", name));
    }
    result.push_back(tensor_of(item.as_value()));
  }
  return result;
}

bool Lowering::wants_output(size_t index) const {
  return index < node().outputs.size() && node().outputs[index] != kNoValue && !graph_.is_unused(node().outputs[index]);
}

const Sizes& Lowering::output_sizes(size_t index) const {
  const ValueId value = node().outputs.at(index);
  return sizes_.try_emplace(value, graph_.tensor_type(value).sizes()).first->second;
}

Type Lowering::output_type(size_t index) const {
  return tflite_type(graph_.tensor_type(node().outputs.at(index)).type);
}

}  // namespace tinyml::lowering
