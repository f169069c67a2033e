#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cstring>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

#include "archive/zip_reader.h"
#include "graph/mapped_file.h"
#include "tinyml/npy.h"

namespace tinyml {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";

[[noreturn]] void refuse(std::string_view name, std::string_view why) {
  throw Error(fmt::format("cannot read '{}' as a NumPy array: {}", name, why),
              "write it with numpy.save(path, numpy.ascontiguousarray(array))");
}

// The text after 'key': in the header's Python dict.
std::optional<std::string_view> find_key(std::string_view header, std::string_view key) {
  const size_t at = header.find(fmt::format("'{}':", key));
  if (at == std::string_view::npos) return std::nullopt;
  std::string_view rest = header.substr(at + key.size() + 3);
  rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
  return rest;
}

std::optional<ScalarType> parse_descr(std::string_view rest) {
  struct Entry {
    std::string_view descr;
    ScalarType type;
  };
  constexpr std::array kTypes = {
      Entry{"'<f4'", ScalarType::kFloat32}, Entry{"'<f8'", ScalarType::kFloat64}, Entry{"'<f2'", ScalarType::kFloat16},
      Entry{"'|u1'", ScalarType::kUInt8},   Entry{"'|i1'", ScalarType::kInt8},    Entry{"'<i2'", ScalarType::kInt16},
      Entry{"'<i4'", ScalarType::kInt32},   Entry{"'<i8'", ScalarType::kInt64},   Entry{"'|b1'", ScalarType::kBool},
  };
  for (const Entry& entry : kTypes) {
    if (rest.starts_with(entry.descr)) return entry.type;
  }
  return std::nullopt;
}

// "(2, 3)", "(5,)", "()".
std::optional<std::vector<int64_t>> parse_shape(std::string_view rest) {
  if (!rest.starts_with('(')) return std::nullopt;
  const size_t end = rest.find(')');
  if (end == std::string_view::npos) return std::nullopt;
  std::string_view items = rest.substr(1, end - 1);
  std::vector<int64_t> shape;
  while (true) {
    items.remove_prefix(std::min(items.find_first_not_of(", "), items.size()));
    if (items.empty()) return shape;
    int64_t size = 0;
    const auto [next, error] = std::from_chars(items.data(), items.data() + items.size(), size);
    if (error != std::errc() || size < 0) return std::nullopt;
    shape.push_back(size);
    items.remove_prefix(static_cast<size_t>(next - items.data()));
  }
}

// Bytes of so many elements, or nothing when that overflows.
std::optional<uint64_t> checked_bytes(const std::vector<int64_t>& shape, ScalarType type) {
  uint64_t bytes = size_of(type);
  for (const int64_t size : shape) {
    if (__builtin_mul_overflow(bytes, static_cast<uint64_t>(size), &bytes)) return std::nullopt;
  }
  return bytes;
}

Tensor parse_npy(const Storage& file, const std::string& path) {
  const std::string_view text(reinterpret_cast<const char*>(file.data()), file.size());
  if (!text.starts_with(kMagic) || text.size() < 12) refuse(path, "it does not start like one");
  const auto byte = [&](size_t index) { return static_cast<size_t>(static_cast<unsigned char>(text[index])); };
  const bool long_header = byte(6) >= 2;
  const size_t begin = long_header ? 12 : 10;
  size_t length = byte(8) | byte(9) << 8;
  if (long_header) length |= byte(10) << 16 | byte(11) << 24;
  if (length > text.size() - begin) refuse(path, "its header is cut off");
  const std::string_view header = text.substr(begin, length);

  const auto descr = find_key(header, "descr");
  const auto order = find_key(header, "fortran_order");
  const auto dims = find_key(header, "shape");
  if (!descr || !order || !dims) refuse(path, "its header is damaged");
  const auto type = parse_descr(*descr);
  if (!type) refuse(path, fmt::format("its element type {} is not supported", descr->substr(0, descr->find(','))));
  if (!order->starts_with("False")) refuse(path, "it is in Fortran order");
  const auto shape = parse_shape(*dims);
  if (!shape) refuse(path, "its shape is damaged");
  const auto bytes = checked_bytes(*shape, *type);
  const size_t offset = begin + length;
  if (!bytes || *bytes > text.size() - offset) refuse(path, "its data is cut off");

  std::vector<int64_t> strides(shape->size());
  int64_t stride = 1;
  for (size_t i = shape->size(); i-- > 0; stride *= (*shape)[i]) strides[i] = stride;
  // NumPy aligns the data to 64 bytes, but nothing promises it.
  const bool aligned = reinterpret_cast<uintptr_t>(file.data() + offset) % size_of(*type) == 0;
  if (aligned) {
    return Tensor(*type, *shape, strides, 0, Storage::view(file.owner(), file.data() + offset, *bytes));
  }
  Tensor copy(*type, *shape);
  std::memcpy(copy.mutable_bytes(), file.data() + offset, *bytes);
  return copy;
}

}  // namespace

Tensor read_npy(const std::filesystem::path& path) { return parse_npy(map_file(path), path.string()); }

std::map<std::string, Tensor> read_npz(const std::filesystem::path& path) {
  std::map<std::string, Tensor> arrays;
  try {
    const ZipReader zip(map_file(path), ZipLayout::kFlat);
    for (const std::string& name : zip.names()) {
      const std::string array = name.ends_with(".npy") ? name.substr(0, name.size() - 4) : name;
      arrays.emplace(array, parse_npy(zip.bytes(name), fmt::format("{}:{}", path.string(), array)));
    }
  } catch (const Error& error) {
    throw Error(fmt::format("cannot read '{}' as an .npz file: {}", path.string(), error.diagnostics().front().what),
                "write it with numpy.savez(path, name=array, ...), in C order");
  }
  if (arrays.empty()) throw Error(fmt::format("'{}' holds no array", path.string()));
  return arrays;
}

}  // namespace tinyml
