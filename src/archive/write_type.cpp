#include "archive/write_type.h"

#include <fmt/format.h>

#include "archive/enums.h"

namespace tinyml {
namespace {

/// Row-major strides; a symbolic size makes the strides to its left symbolic.
std::vector<Dim> row_major_strides(const Shape& shape) {
  std::vector<Dim> strides(shape.size());
  Dim step = 1;
  for (size_t i = shape.size(); i-- > 0;) {
    strides[i] = step;
    const Dim& size = shape[i];
    if (size.is_static() && step.is_static()) {
      step = step.hint() * std::max<int64_t>(size.hint(), 1);
      continue;
    }
    const auto text = [](const Dim& dim) {
      return dim.is_static() ? fmt::format("Integer({})", dim.hint()) : dim.expression()->to_srepr();
    };
    const int64_t hint = size.hint() < 0 || step.hint() < 0 ? -1 : step.hint() * std::max<int64_t>(size.hint(), 1);
    step = Dim(SymExpr::parse(fmt::format("Mul({}, {})", text(step), text(size))), hint);
  }
  return strides;
}

void write_meta(JsonWriter& json, ScalarType type, const Shape& sizes, const std::vector<Dim>& strides, int64_t offset,
                bool requires_grad, const Device& device) {
  json.begin_object().key("dtype").number(schema_number(type)).key("sizes").begin_array();
  for (const Dim& size : sizes) write_dim(json, size);
  json.end_array().key("requires_grad").boolean(requires_grad).key("device");
  write_device(json, device);
  json.key("strides").begin_array();
  for (const Dim& stride : strides) write_dim(json, stride);
  json.end_array().key("storage_offset").begin_object().key("as_int").number(offset).end_object();
  json.key("layout").number(schema_number(Layout::kStrided)).end_object();
}

}  // namespace

void write_dim(JsonWriter& json, const Dim& dim) {
  json.begin_object();
  if (dim.is_static()) {
    json.key("as_int").number(dim.hint());
  } else {
    json.key("as_expr").begin_object().key("expr_str").string(dim.expression()->to_srepr()).key("hint");
    if (dim.hint() < 0) {
      json.null();
    } else {
      json.begin_object().key("as_int").number(dim.hint()).end_object();
    }
    json.end_object();
  }
  json.end_object();
}

void write_tensor_type(JsonWriter& json, const TensorType& type) {
  const bool given = type.strides.size() == type.shape.size();
  write_meta(json, type.type, type.shape, given ? type.strides : row_major_strides(type.shape), 0, type.requires_grad,
             type.device);
}

void write_stored_tensor(JsonWriter& json, const Tensor& tensor, const TensorType& type) {
  const std::vector<int64_t>& shape = tensor.shape();
  const std::vector<int64_t>& strides = tensor.strides();
  write_meta(json, tensor.type(), Shape(shape.begin(), shape.end()), {strides.begin(), strides.end()}, tensor.offset(),
             type.requires_grad, type.device);
}

void write_device(JsonWriter& json, const Device& device) {
  json.begin_object().key("type").string(device.type).key("index");
  if (device.index) {
    json.number(*device.index);
  } else {
    json.null();
  }
  json.end_object();
}

}  // namespace tinyml
