#include "train/ivalues.h"

#include <ATen/Functions.h>
#include <ATen/ScalarOps.h>
#include <fmt/format.h>

#include <array>
#include <cstring>
#include <utility>

#include "tinyml/train.h"

namespace tinyml::train {
namespace {

constexpr std::array kTypes = {
    std::pair{ScalarType::kUInt8, c10::kByte},
    std::pair{ScalarType::kInt8, c10::kChar},
    std::pair{ScalarType::kInt16, c10::kShort},
    std::pair{ScalarType::kInt32, c10::kInt},
    std::pair{ScalarType::kInt64, c10::kLong},
    std::pair{ScalarType::kFloat16, c10::kHalf},
    std::pair{ScalarType::kFloat32, c10::kFloat},
    std::pair{ScalarType::kFloat64, c10::kDouble},
    std::pair{ScalarType::kComplex64, c10::kComplexFloat},
    std::pair{ScalarType::kComplex128, c10::kComplexDouble},
    std::pair{ScalarType::kBool, c10::kBool},
    std::pair{ScalarType::kBFloat16, c10::kBFloat16},
    std::pair{ScalarType::kUInt16, c10::kUInt16},
    std::pair{ScalarType::kUInt32, c10::kUInt32},
    std::pair{ScalarType::kUInt64, c10::kUInt64},
};

at::Layout to_torch(Layout layout) {
  switch (layout) {
    case Layout::kStrided:
      return at::kStrided;
    case Layout::kSparseCoo:
      return at::kSparse;
    case Layout::kSparseCsr:
      return at::kSparseCsr;
    case Layout::kSparseCsc:
      return at::kSparseCsc;
    case Layout::kSparseBsr:
      return at::kSparseBsr;
    case Layout::kSparseBsc:
      return at::kSparseBsc;
    case Layout::kMkldnn:
      return at::kMkldnn;
    case Layout::kJagged:
      return at::kJagged;
  }
  throw Error("unknown layout");
}

at::MemoryFormat to_torch(MemoryFormat format) {
  switch (format) {
    case MemoryFormat::kContiguous:
      return at::MemoryFormat::Contiguous;
    case MemoryFormat::kChannelsLast:
      return at::MemoryFormat::ChannelsLast;
    case MemoryFormat::kChannelsLast3d:
      return at::MemoryFormat::ChannelsLast3d;
    case MemoryFormat::kPreserve:
      return at::MemoryFormat::Preserve;
  }
  throw Error("unknown memory format");
}

/// A number that stands for a tensor takes part in type promotion as a number.
at::Tensor wrapped_number(const c10::IValue& number) {
  at::Tensor tensor = c10::scalar_to_tensor(number.toScalar());
  tensor.unsafeGetTensorImpl()->set_wrapped_number(true);
  return tensor;
}

/// The number or tensor as the type wants it.
c10::IValue coerce(c10::IValue value, const c10::Type& type) {
  const bool is_number = value.isInt() || value.isDouble() || value.isBool();
  switch (type.kind()) {
    case c10::TypeKind::TensorType:
      return is_number ? c10::IValue(wrapped_number(value)) : value;
    case c10::TypeKind::FloatType:
      return is_number ? c10::IValue(value.toScalar().toDouble()) : value;
    case c10::TypeKind::IntType:
      return value.isBool() ? c10::IValue(static_cast<int64_t>(value.toBool())) : value;
    default:
      return value;
  }
}

c10::IValue to_list(const Argument& argument, const c10::ListType& type, const ArgumentContext& context) {
  const c10::TypePtr& element = type.getElementType();
  c10::impl::GenericList list(element);
  if (!argument.is_list()) {
    list.push_back(to_ivalue(argument, *element, context));
    return list;
  }
  for (const Argument& item : argument.as_list()) list.push_back(to_ivalue(item, *element, context));
  return list;
}

}  // namespace

c10::ScalarType to_torch(ScalarType type) {
  for (const auto& [ours, theirs] : kTypes) {
    if (ours == type) return theirs;
  }
  throw Error("unknown element type");
}

c10::IValue to_ivalue(const Argument& argument, const ArgumentContext& context) {
  if (argument.is_none()) return {};
  if (argument.is_value()) return context.value(argument.as_value());
  if (argument.is_bool()) return argument.as_bool();
  if (argument.is_int()) return argument.as_int();
  if (argument.is_double()) return argument.as_double();
  if (argument.is_string()) return argument.as_string();
  if (const auto* type = std::get_if<ScalarType>(&argument.data)) return static_cast<int64_t>(to_torch(*type));
  if (const auto* format = std::get_if<MemoryFormat>(&argument.data)) return static_cast<int64_t>(to_torch(*format));
  if (const auto* layout = std::get_if<Layout>(&argument.data)) return static_cast<int64_t>(to_torch(*layout));
  if (std::holds_alternative<Device>(argument.data)) return context.device;
  throw Error("an argument of this kind has no form in ATen");
}

c10::IValue to_ivalue(const Argument& argument, const c10::Type& type, const ArgumentContext& context) {
  if (argument.is_none()) return {};
  if (type.kind() == c10::TypeKind::OptionalType) {
    return to_ivalue(argument, *type.castRaw<c10::OptionalType>()->getElementType(), context);
  }
  if (type.kind() == c10::TypeKind::ListType && !(argument.is_value() && context.value(argument.as_value()).isList())) {
    return to_list(argument, *type.castRaw<c10::ListType>(), context);
  }
  return coerce(to_ivalue(argument, context), type);
}

bool is_constant(const Argument& argument) {
  if (std::holds_alternative<Device>(argument.data)) return false;
  bool constant = true;
  argument.for_each_value([&](ValueId) { constant = false; });
  return constant;
}

at::Tensor to_tensor(const c10::IValue& value, c10::Device device) {
  if (value.isTensor()) return value.toTensor();
  if (value.isNone()) return {};
  return c10::scalar_to_tensor(value.toScalar(), device);
}

at::Tensor to_torch(const Tensor& tensor) {
  if (!tensor.defined()) return {};
  const Tensor source = tensor.contiguous();
  at::Tensor result = at::empty(source.shape(), at::TensorOptions(to_torch(source.type())));
  if (source.nbytes() > 0) std::memcpy(result.mutable_data_ptr(), source.bytes(), source.nbytes());
  return result;
}

Tensor from_torch(const at::Tensor& tensor) {
  if (!tensor.defined()) return {};
  for (const auto& [ours, theirs] : kTypes) {
    if (theirs != tensor.scalar_type()) continue;
    const at::Tensor source = tensor.detach().to(at::kCPU).contiguous();
    Tensor result(ours, source.sizes().vec());
    if (result.nbytes() > 0) std::memcpy(result.mutable_bytes(), source.const_data_ptr(), result.nbytes());
    return result;
  }
  throw Error(fmt::format("a tensor of type {} cannot stand in a graph", c10::toString(tensor.scalar_type())));
}

}  // namespace tinyml::train
