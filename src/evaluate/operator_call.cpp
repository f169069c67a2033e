#include "evaluate/operator_call.h"

#include <fmt/format.h>

namespace tinyml::evaluation {

bool OperatorCall::is_none(std::string_view name) const { return !node_.has_arg(name) || node_.arg(name).is_none(); }

Operand OperatorCall::to_operand(const Argument& argument) const {
  if (argument.is_value()) {
    const ValueId id = argument.as_value();
    return {lookup_(id), graph_.value(id).kind != ValueKind::kTensor};
  }
  if (argument.is_bool()) return {Tensor::scalar(argument.as_bool()), true};
  if (argument.is_int()) return {Tensor::scalar(argument.as_int()), true};
  if (argument.is_double()) return {Tensor::scalar(argument.as_double()), true};
  throw Error("a tensor or a number is expected");
}

double OperatorCall::to_number(const Argument& argument) const {
  if (!argument.is_value()) return argument.as_double();
  const Tensor& tensor = lookup_(argument.as_value());
  if (tensor.numel() != 1)
    throw Error(fmt::format("a number is expected, not a tensor of {} elements", tensor.numel()));
  return tensor.to(ScalarType::kFloat64).data<double>()[0];
}

int64_t OperatorCall::to_integer(const Argument& argument) const {
  if (!argument.is_value()) return argument.as_int();
  const Tensor& tensor = lookup_(argument.as_value());
  if (tensor.numel() != 1 || is_floating_point(tensor.type())) throw Error("an integer is expected");
  return tensor.to(ScalarType::kInt64).data<int64_t>()[0];
}

Operand OperatorCall::operand(std::string_view name) const { return to_operand(node_.arg(name)); }

std::vector<Tensor> OperatorCall::tensors(std::string_view name) const {
  std::vector<Tensor> result;
  for (const Argument& item : node_.arg(name).as_list()) {
    result.push_back(item.is_none() ? Tensor() : to_operand(item).tensor);
  }
  return result;
}

int64_t OperatorCall::integer(std::string_view name) const { return to_integer(node_.arg(name)); }

std::optional<int64_t> OperatorCall::optional_integer(std::string_view name) const {
  if (is_none(name)) return std::nullopt;
  return integer(name);
}

std::vector<int64_t> OperatorCall::integers(std::string_view name) const {
  if (is_none(name)) return {};
  const Argument& argument = node_.arg(name);
  if (!argument.is_list()) return {to_integer(argument)};
  std::vector<int64_t> result;
  for (const Argument& item : argument.as_list()) result.push_back(to_integer(item));
  return result;
}

std::vector<int64_t> OperatorCall::integers(std::string_view name, size_t count) const {
  std::vector<int64_t> result = integers(name);
  if (result.size() == 1) result.resize(count, result[0]);
  if (result.size() != count) {
    throw Error(fmt::format("argument '{}' has {} entries where {} are expected", name, result.size(), count));
  }
  return result;
}

double OperatorCall::number(std::string_view name) const { return to_number(node_.arg(name)); }

std::optional<double> OperatorCall::optional_number(std::string_view name) const {
  if (is_none(name)) return std::nullopt;
  return number(name);
}

std::vector<double> OperatorCall::numbers(std::string_view name) const {
  if (is_none(name)) return {};
  std::vector<double> result;
  for (const Argument& item : node_.arg(name).as_list()) result.push_back(to_number(item));
  return result;
}

std::optional<ScalarType> OperatorCall::optional_type(std::string_view name) const {
  if (is_none(name)) return std::nullopt;
  return effective(node_.arg(name).as_scalar_type());
}

}  // namespace tinyml::evaluation
