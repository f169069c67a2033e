#include "archive/read_type.h"

#include <fmt/format.h>

#include "archive/enums.h"

namespace tinyml {
namespace {

/// Whether strides are row-major, dimensions of size one aside.
bool is_row_major(const TensorType& type) {
  int64_t step = 1;
  for (size_t i = type.shape.size(); i-- > 0;) {
    const int64_t size = type.shape[i].hint();
    if (size < 0) return true;  // Depends on data: assume what torch makes.
    if (size != 1 && type.strides[i].hint() != step) return false;
    step *= std::max<int64_t>(size, 1);
  }
  return true;
}

void require_strided(const JsonRef& json) {
  if (read_layout(json) != Layout::kStrided) {
    json.fail("only strided tensors are supported, not sparse or opaque layouts");
  }
}

std::vector<int64_t> read_ints(const JsonRef& json) {
  std::vector<int64_t> values;
  for (const JsonRef& element : json.elements()) {
    values.push_back(element.at("as_int").as_int());
    if (values.back() < 0) element.fail("expected a number that is not negative");
  }
  return values;
}

}  // namespace

Dim TypeReader::expression(const JsonRef& json) {
  const std::string& text = json.at("expr_str").as_string();
  auto [entry, inserted] = expressions_.try_emplace(text);
  if (inserted) {
    try {
      entry->second = SymExpr::parse(text);
    } catch (const Error& error) {
      json.at("expr_str").fail(error.diagnostics()[0].what);
    }
  }
  int64_t hint = -1;
  if (json.has("hint")) {
    const auto [tag, value] = json.at("hint").tagged();
    if (tag == "as_int") hint = value.as_int();
  }
  if (entry->second->kind() == SymExpr::Kind::kInteger) return entry->second->integer();
  return {entry->second, hint};
}

Dim TypeReader::dim(const JsonRef& json) {
  const auto [tag, value] = json.tagged();
  if (tag == "as_int") return value.as_int();
  if (tag == "as_expr") return expression(value);
  json.fail(fmt::format("'{}' is not a kind of symbolic integer", tag));
}

std::optional<Dim> TypeReader::symbol(const JsonRef& json) {
  const auto [tag, value] = json.tagged();
  if (tag == "as_expr") return expression(value);
  return std::nullopt;
}

TensorType TypeReader::tensor(const JsonRef& json) {
  TensorType type;
  type.type = read_scalar_type(json.at("dtype"));
  require_strided(json.at("layout"));
  int64_t count = 1;
  for (const JsonRef& size : json.at("sizes").elements()) {
    type.shape.push_back(dim(size));
    const int64_t hint = type.shape.back().hint();
    if (hint < 0 && type.shape.back().is_static()) size.fail("a size is negative");
    if (hint > 0 && (__builtin_mul_overflow(count, hint, &count) || count > INT64_MAX / 16)) {
      json.at("sizes").fail("the tensor is too large");
    }
  }
  const JsonRef strides = json.at("strides");
  if (strides.size() != type.shape.size()) strides.fail("expected one stride for each size");
  for (size_t i = 0; i < strides.size(); ++i) {
    type.strides.push_back(dim(strides[i]));
    int64_t extent = 0;
    if (__builtin_mul_overflow(type.strides[i].hint(), type.shape[i].hint(), &extent))
      strides[i].fail("the stride is too large");
  }
  if (is_row_major(type)) type.strides.clear();
  type.requires_grad = json.at("requires_grad").as_bool();
  type.device = read_device(json.at("device"));
  return type;
}

StoredTensor read_stored_tensor(const JsonRef& json) {
  require_strided(json.at("layout"));
  return {read_scalar_type(json.at("dtype")), read_ints(json.at("sizes")), read_ints(json.at("strides")),
          json.at("storage_offset").at("as_int").as_int()};
}

Device read_device(const JsonRef& json) {
  Device device{json.at("type").as_string(), std::nullopt};
  if (json.has("index")) device.index = json.at("index").as_int();
  return device;
}

}  // namespace tinyml
