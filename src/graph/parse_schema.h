#pragma once

#include <string_view>

#include "tinyml/schema.h"

namespace tinyml {

/// Parses one line of the table: "aten.relu.default(Tensor self) -> Tensor". The table is part of the library, so a
/// line that does not parse is an internal error.
OpSchema parse_schema(std::string_view line);

}  // namespace tinyml
