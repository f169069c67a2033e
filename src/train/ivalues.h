// Between a graph's arguments and tensors and torch's.
#pragma once

#include <ATen/core/ivalue.h>
#include <ATen/core/jit_type.h>

#include <functional>

#include "tinyml/graph.h"

namespace tinyml::train {

/// Where an argument's values come from, and the device that stands for the captured one.
struct ArgumentContext {
  std::function<const c10::IValue&(ValueId)> value;
  c10::Device device = c10::kCPU;
};

/// The argument as an operator that declares `type` takes it: numbers become tensors where it wants tensors, integers
/// become real numbers where it wants these, one number a list where it wants a list of a known length. Throws Error
/// when that cannot be.
c10::IValue to_ivalue(const Argument& argument, const c10::Type& type, const ArgumentContext& context);

/// Without a type: for the bodies of control flow and Python's own operators. Throws Error for lists.
c10::IValue to_ivalue(const Argument& argument, const ArgumentContext& context);

/// Whether the argument is the same in every call: no value inside, and no device.
bool is_constant(const Argument& argument);

c10::ScalarType to_torch(ScalarType type);

/// A number as a tensor of rank 0; a tensor as it is; None as an undefined tensor.
at::Tensor to_tensor(const c10::IValue& value, c10::Device device);

}  // namespace tinyml::train
