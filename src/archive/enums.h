#pragma once

#include "archive/json_ref.h"
#include "tinyml/graph.h"

namespace tinyml {

// Numbers of torch's export schema (not c10's) for its enumerations. The readers refuse, at the place given, numbers
// that are unknown or stand for something a Graph does not hold.
ScalarType read_scalar_type(const JsonRef& json);
MemoryFormat read_memory_format(const JsonRef& json);
Layout read_layout(const JsonRef& json);
int64_t schema_number(ScalarType type);
int64_t schema_number(MemoryFormat format);
int64_t schema_number(Layout layout);

}  // namespace tinyml
