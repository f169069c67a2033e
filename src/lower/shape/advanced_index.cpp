#include "lower/shape/advanced_index.h"

#include <algorithm>
#include <numeric>

namespace tinyml::lowering {
namespace {

constexpr const char* kUseWhere = "select with torch.where(mask, a, b), whose result has a fixed size";

bool is_mask(const Lowering& at, ValueId value) {
  const ScalarType type = at.graph().tensor_type(value).type;
  return type == ScalarType::kBool || type == ScalarType::kUInt8;
}

}  // namespace

bool is_computed_mask(const Lowering& at) {
  const Argument::List& items = at.node().arg("indices").as_list();
  size_t given = 0;
  for (const Argument& item : items) given += item.is_none() ? 0 : 1;
  return given == 1 && items[0].is_value() && is_mask(at, items[0].as_value()) &&
         at.graph().binding_of(items[0].as_value()) == nullptr;
}

AdvancedIndex read_advanced_index(Lowering& at, const Sizes& shape) {
  std::vector<Positions> positions;
  Sizes indexed;
  int64_t dim = 0;
  for (const Argument& item : at.node().arg("indices").as_list()) {
    if (item.is_none()) {
      ++dim;
      continue;
    }
    const ValueId value = item.as_value();
    if (!is_mask(at, value)) {
      indexed.push_back(dim);
      positions.push_back(read_positions(at, value, shape[static_cast<size_t>(dim++)], true));
      continue;
    }
    const Binding* mask = at.graph().binding_of(value);
    if (mask == nullptr) at.refuse("a mask that is computed among the indices", kUseWhere);
    for (Positions& along : positions_of_mask(mask->data)) {
      indexed.push_back(dim++);
      positions.push_back(std::move(along));
    }
  }
  AdvancedIndex result;
  result.order.resize(shape.size());
  std::iota(result.order.begin(), result.order.end(), 0);
  const bool together = indexed.empty() || indexed.back() - indexed.front() + 1 == static_cast<int64_t>(indexed.size());
  if (!together) {  // their dimension comes first, as in NumPy
    Sizes order = indexed;
    for (const int64_t axis : result.order) {
      if (std::find(indexed.begin(), indexed.end(), axis) == indexed.end()) order.push_back(axis);
    }
    result.order = order;
  } else if (!indexed.empty()) {
    result.axis = indexed.front();
  }
  Sizes sizes;
  int64_t count = 1;
  for (const int64_t axis : indexed) {
    sizes.push_back(shape[static_cast<size_t>(axis)]);
    count *= sizes.back();
  }
  for (const int64_t axis : result.order) result.merged.push_back(shape[static_cast<size_t>(axis)]);
  const auto first = result.merged.begin() + static_cast<std::ptrdiff_t>(result.axis);
  const auto at_axis = result.merged.erase(first, first + static_cast<std::ptrdiff_t>(indexed.size()));
  result.merged.insert(at_axis, count);
  result.rows = positions.empty() ? known_positions({0}, {}) : flatten(at, positions, sizes);
  return result;
}

}  // namespace tinyml::lowering
