// Tensors as NumPy arrays and back, without copying.
#pragma once

#include <nanobind/nanobind.h>

#include "tinyml/tensor.h"

namespace tinyml::python {

/// A view of the tensor's memory, which it keeps alive: a read-only NumPy array, or for bfloat16, which NumPy does not
/// have, an object for torch.from_dlpack.
nanobind::object to_array(const Tensor& tensor);

/// A view of an array's memory, which it keeps alive: anything in CPU memory with DLPack or the buffer protocol. A
/// Python number becomes a tensor of rank 0. Throws Error for anything else.
Tensor to_tensor(nanobind::handle object);

}  // namespace tinyml::python
