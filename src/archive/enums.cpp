#include "archive/enums.h"

#include <fmt/format.h>

#include <array>

namespace tinyml {
namespace {

template <typename T>
struct Entry {
  int64_t number;
  T value;
};

constexpr std::array<Entry<ScalarType>, 15> kScalarTypes{{{1, ScalarType::kUInt8},
                                                          {2, ScalarType::kInt8},
                                                          {3, ScalarType::kInt16},
                                                          {4, ScalarType::kInt32},
                                                          {5, ScalarType::kInt64},
                                                          {6, ScalarType::kFloat16},
                                                          {7, ScalarType::kFloat32},
                                                          {8, ScalarType::kFloat64},
                                                          {10, ScalarType::kComplex64},
                                                          {11, ScalarType::kComplex128},
                                                          {12, ScalarType::kBool},
                                                          {13, ScalarType::kBFloat16},
                                                          {28, ScalarType::kUInt16},
                                                          {34, ScalarType::kUInt32},
                                                          {35, ScalarType::kUInt64}}};
constexpr std::array<Entry<MemoryFormat>, 4> kMemoryFormats{{{1, MemoryFormat::kContiguous},
                                                             {2, MemoryFormat::kChannelsLast},
                                                             {3, MemoryFormat::kChannelsLast3d},
                                                             {4, MemoryFormat::kPreserve}}};
constexpr std::array<Entry<Layout>, 7> kLayouts{{{1, Layout::kSparseCoo},
                                                 {2, Layout::kSparseCsr},
                                                 {3, Layout::kSparseCsc},
                                                 {4, Layout::kSparseBsr},
                                                 {5, Layout::kSparseBsc},
                                                 {6, Layout::kMkldnn},
                                                 {7, Layout::kStrided}}};

template <typename T, size_t N>
T read(const std::array<Entry<T>, N>& table, const JsonRef& json, const char* what) {
  const int64_t number = json.as_int();
  for (const Entry<T>& entry : table) {
    if (entry.number == number) return entry.value;
  }
  json.fail(fmt::format("{} number {} is not supported", what, number));
}

template <typename T, size_t N>
int64_t number_of(const std::array<Entry<T>, N>& table, T value) {
  for (const Entry<T>& entry : table) {
    if (entry.value == value) return entry.number;
  }
  throw Error("this memory layout cannot be written to a PT2 archive");
}

}  // namespace

ScalarType read_scalar_type(const JsonRef& json) { return read(kScalarTypes, json, "element type"); }
MemoryFormat read_memory_format(const JsonRef& json) { return read(kMemoryFormats, json, "memory format"); }
Layout read_layout(const JsonRef& json) { return read(kLayouts, json, "layout"); }
int64_t schema_number(ScalarType type) { return number_of(kScalarTypes, type); }
int64_t schema_number(MemoryFormat format) { return number_of(kMemoryFormats, format); }
int64_t schema_number(Layout layout) { return number_of(kLayouts, layout); }

}  // namespace tinyml
