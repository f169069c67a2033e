// Operators that are others under a second name.
#pragma once

#include <span>
#include <string_view>

namespace tinyml {

/// A second name of an operator with the same results; the arguments mean the same by position.
struct OperatorAlias {
  std::string_view name;
  std::string_view op;
};

std::span<const OperatorAlias> operator_aliases();

}  // namespace tinyml
