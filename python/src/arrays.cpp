#include "arrays.h"

#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>

#include <memory>
#include <utility>
#include <vector>

namespace tinyml::python {

namespace nb = nanobind;

namespace {

nb::dlpack::dtype dtype_of(ScalarType type) {
  using Code = nb::dlpack::dtype_code;
  const auto make = [&](Code code) {
    return nb::dlpack::dtype{static_cast<uint8_t>(code), static_cast<uint8_t>(8 * size_of(type)), 1};
  };
  switch (type) {
    case ScalarType::kUInt8:
    case ScalarType::kUInt16:
    case ScalarType::kUInt32:
    case ScalarType::kUInt64:
      return make(Code::UInt);
    case ScalarType::kInt8:
    case ScalarType::kInt16:
    case ScalarType::kInt32:
    case ScalarType::kInt64:
      return make(Code::Int);
    case ScalarType::kBool:
      return make(Code::Bool);
    case ScalarType::kBFloat16:
      return make(Code::Bfloat);
    case ScalarType::kComplex64:
    case ScalarType::kComplex128:
      return make(Code::Complex);
    case ScalarType::kFloat16:
    case ScalarType::kFloat32:
    case ScalarType::kFloat64:
      break;
  }
  return make(Code::Float);
}

/// Keeps an array alive from threads that may not hold the interpreter's lock.
struct ArrayOwner {
  nb::ndarray<nb::ro, nb::device::cpu> array;
  explicit ArrayOwner(nb::ndarray<nb::ro, nb::device::cpu> owned) : array(std::move(owned)) {}
  ArrayOwner(const ArrayOwner&) = delete;
  ArrayOwner& operator=(const ArrayOwner&) = delete;
  ~ArrayOwner() {
    const nb::gil_scoped_acquire lock;
    array = {};
  }
};

ScalarType scalar_type(nb::dlpack::dtype dtype) {
  constexpr ScalarType kTypes[] = {
      ScalarType::kUInt8,   ScalarType::kInt8,    ScalarType::kInt16,   ScalarType::kInt32, ScalarType::kInt64,
      ScalarType::kFloat16, ScalarType::kFloat32, ScalarType::kFloat64, ScalarType::kBool,  ScalarType::kBFloat16,
      ScalarType::kUInt16,  ScalarType::kUInt32,  ScalarType::kUInt64};
  for (ScalarType type : kTypes) {
    if (dtype == dtype_of(type)) return type;
  }
  throw Error("arrays of this element type are not supported", "convert it to float32");
}

}  // namespace

nb::object to_array(const Tensor& tensor) {
  const auto* owner = new std::shared_ptr<const void>(tensor.storage().owner());  // Owned by the capsule.
  const nb::capsule keep(owner,
                         [](void* pointer) noexcept { delete static_cast<std::shared_ptr<const void>*>(pointer); });
  const std::byte* data = tensor.storage().data() + tensor.offset() * static_cast<int64_t>(size_of(tensor.type()));
  const std::vector<size_t> shape(tensor.shape().begin(), tensor.shape().end());
  const auto make = [&](auto array) { return nb::cast(array, nb::rv_policy::reference); };
  if (tensor.type() == ScalarType::kBFloat16) {
    return make(
        nb::ndarray<nb::ro>(data, shape.size(), shape.data(), keep, tensor.strides().data(), dtype_of(tensor.type())));
  }
  return make(nb::ndarray<nb::numpy, nb::ro>(data, shape.size(), shape.data(), keep, tensor.strides().data(),
                                             dtype_of(tensor.type())));
}

Tensor to_tensor(nb::handle object) {
  if (PyBool_Check(object.ptr())) return Tensor::scalar(nb::cast<bool>(object));
  if (PyLong_Check(object.ptr())) return Tensor::scalar(nb::cast<int64_t>(object));
  if (PyFloat_Check(object.ptr())) return Tensor::scalar(nb::cast<double>(object));
  nb::ndarray<nb::ro, nb::device::cpu> array;
  if (!nb::try_cast(object, array)) {
    throw Error("an array in CPU memory is expected, not " + nb::cast<std::string>(nb::str(object.type())),
                "pass a NumPy array or tensor.detach().cpu()");
  }
  const ScalarType type = scalar_type(array.dtype());
  std::vector<int64_t> shape(array.ndim());
  std::vector<int64_t> strides(array.ndim());
  int64_t least = 0;
  int64_t most = 0;
  bool empty = false;
  for (size_t i = 0; i < array.ndim(); ++i) {
    shape[i] = static_cast<int64_t>(array.shape(i));
    strides[i] = array.stride(i);
    empty |= shape[i] == 0;
    (strides[i] < 0 ? least : most) += strides[i] * (shape[i] - 1);
  }
  if (empty) return Tensor(type, std::move(shape));
  if (least < 0) throw Error("arrays with negative strides are not supported", "pass a copy of the array");
  const size_t bytes = static_cast<size_t>(most + 1) * size_of(type);
  const auto* data = static_cast<const std::byte*>(array.data());
  return Tensor(type, std::move(shape), std::move(strides), 0,
                Storage::view(std::make_shared<ArrayOwner>(std::move(array)), data, bytes));
}

}  // namespace tinyml::python
