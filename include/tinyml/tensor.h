#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "tinyml/error.h"

namespace tinyml {

/// Element types, as PyTorch names them.
enum class ScalarType : uint8_t {
  kUInt8,
  kInt8,
  kInt16,
  kInt32,
  kInt64,
  kFloat16,
  kFloat32,
  kFloat64,
  kComplex64,
  kComplex128,
  kBool,
  kBFloat16,
  kUInt16,
  kUInt32,
  kUInt64,
};

/// Bytes of one element.
size_t size_of(ScalarType type);
/// "float32", "int64", ... as in `torch.float32`.
std::string_view name_of(ScalarType type);
/// Inverse of name_of. Throws Error for an unknown name.
ScalarType parse_scalar_type(std::string_view name);
bool is_floating_point(ScalarType type);
bool is_integral(ScalarType type);  ///< Integers of any width, not bool.

/// The ScalarType of a C++ element type.
template <typename T>
constexpr ScalarType scalar_type_of() {
  if constexpr (std::is_same_v<T, uint8_t>) {
    return ScalarType::kUInt8;
  } else if constexpr (std::is_same_v<T, int8_t>) {
    return ScalarType::kInt8;
  } else if constexpr (std::is_same_v<T, int16_t>) {
    return ScalarType::kInt16;
  } else if constexpr (std::is_same_v<T, int32_t>) {
    return ScalarType::kInt32;
  } else if constexpr (std::is_same_v<T, int64_t>) {
    return ScalarType::kInt64;
  } else if constexpr (std::is_same_v<T, float>) {
    return ScalarType::kFloat32;
  } else if constexpr (std::is_same_v<T, double>) {
    return ScalarType::kFloat64;
  } else {
    static_assert(std::is_same_v<T, bool>);
    return ScalarType::kBool;
  }
}

/// Bytes with shared ownership; an owner keeps them alive (a heap block, a mapped file, a Python object).
class Storage {
 public:
  Storage() = default;
  /// Zero-initialised heap memory, aligned to 64 bytes.
  static Storage allocate(size_t bytes);
  /// Memory that belongs to `owner` and must not be written.
  static Storage view(std::shared_ptr<const void> owner, const std::byte* data, size_t bytes);

  const std::byte* data() const { return data_; }
  size_t size() const { return size_; }
  /// Whether this handle is the only one and the memory is ours to write.
  bool is_exclusive() const { return writable_ && owner_.use_count() == 1; }
  const std::shared_ptr<const void>& owner() const { return owner_; }

 private:
  std::shared_ptr<const void> owner_;
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
  bool writable_ = false;
};

/// An n-dimensional array, a value type: copies share storage, and writing through one never shows in another.
class Tensor {
 public:
  Tensor() = default;  ///< Undefined: no storage.
  /// Zeros of that type and shape, contiguous.
  Tensor(ScalarType type, std::vector<int64_t> shape);
  /// A strided view; strides and offset in elements. Throws Error if any element would lie outside the storage.
  Tensor(ScalarType type, std::vector<int64_t> shape, std::vector<int64_t> strides, int64_t offset, Storage storage);

  template <typename T>
  static Tensor from(std::span<const T> values, std::vector<int64_t> shape) {
    Tensor tensor(scalar_type_of<T>(), std::move(shape));
    TINYML_CHECK(static_cast<size_t>(tensor.numel()) == values.size());
    T* out = tensor.mutable_data<T>();
    for (size_t i = 0; i < values.size(); ++i) out[i] = values[i];
    return tensor;
  }
  template <typename T>
  static Tensor from(const std::vector<T>& values, std::vector<int64_t> shape) {
    return from<T>(std::span<const T>(values), std::move(shape));
  }
  template <typename T>
  static Tensor scalar(T value) {
    return from<T>(std::span<const T>(&value, 1), {});
  }

  bool defined() const { return defined_; }
  ScalarType type() const { return type_; }
  const std::vector<int64_t>& shape() const { return shape_; }
  const std::vector<int64_t>& strides() const { return strides_; }
  int64_t offset() const { return offset_; }  ///< In elements.
  const Storage& storage() const { return storage_; }
  int64_t rank() const { return static_cast<int64_t>(shape_.size()); }
  /// Size of one dimension; negative dimensions count from the end.
  int64_t size(int64_t dim) const { return shape_[static_cast<size_t>(dim < 0 ? dim + rank() : dim)]; }
  int64_t numel() const;
  size_t nbytes() const { return static_cast<size_t>(numel()) * size_of(type_); }
  bool is_contiguous() const;
  /// This tensor, or a row-major copy if it is not contiguous.
  Tensor contiguous() const;
  /// Converted element by element; float to integer saturates, float16 and bfloat16 round to nearest even. Contiguous.
  Tensor to(ScalarType type) const;
  /// The same elements in row-major order under another shape with as many elements.
  Tensor reshaped(std::vector<int64_t> shape) const;
  /// Dimension i of the result is dimension order[i] of this; no copy.
  Tensor permuted(std::span<const int64_t> order) const;
  /// The listed indices of one dimension, copied.
  Tensor index_select(int64_t dim, std::span<const int64_t> indices) const;

  /// First element; requires a contiguous tensor.
  const std::byte* bytes() const;
  /// For writing; copies first unless this tensor is contiguous and the only owner.
  std::byte* mutable_bytes();

  /// All elements in row-major order; requires contiguity and the exact element type.
  template <typename T>
  std::span<const T> data() const {
    TINYML_CHECK(type_ == scalar_type_of<T>());
    return {reinterpret_cast<const T*>(bytes()), static_cast<size_t>(numel())};
  }
  template <typename T>
  T* mutable_data() {
    TINYML_CHECK(type_ == scalar_type_of<T>());
    return reinterpret_cast<T*>(mutable_bytes());
  }
  /// All elements in row-major order as double, whatever the type (complex: refused).
  std::vector<double> to_doubles() const;

 private:
  bool defined_ = false;
  ScalarType type_ = ScalarType::kFloat32;
  std::vector<int64_t> shape_;
  std::vector<int64_t> strides_;
  int64_t offset_ = 0;
  Storage storage_;
};

/// IEEE half and bfloat16 conversions, round to nearest even.
float half_to_float(uint16_t bits);
uint16_t float_to_half(float value);
float bfloat16_to_float(uint16_t bits);
uint16_t float_to_bfloat16(float value);

}  // namespace tinyml
