#pragma once

#include <map>
#include <memory>
#include <string>

#include "archive/json_ref.h"
#include "tinyml/graph.h"

namespace tinyml {

/// Reads the types of values. Equal symbolic expressions become one shared object.
class TypeReader {
 public:
  /// A SymInt: {"as_int": 3} or {"as_expr": {"expr_str": ..., "hint": ...}}. The hint is -1 if the archive has none.
  Dim dim(const JsonRef& json);
  /// A SymBool or SymFloat, carried as an expression with the hint -1; nothing when it is a constant.
  std::optional<Dim> symbol(const JsonRef& json);
  /// A TensorMeta. Throws Error for sparse layouts, unknown element types, negative or overflowing sizes.
  TensorType tensor(const JsonRef& json);

 private:
  Dim expression(const JsonRef& json);
  std::map<std::string, std::shared_ptr<const SymExpr>> expressions_;
};

/// Sizes, strides and offset of a stored tensor, which must be numbers.
struct StoredTensor {
  ScalarType type = ScalarType::kFloat32;
  std::vector<int64_t> sizes;
  std::vector<int64_t> strides;
  int64_t offset = 0;
};
StoredTensor read_stored_tensor(const JsonRef& json);

Device read_device(const JsonRef& json);

}  // namespace tinyml
