#pragma once

#include <map>
#include <string>

#include "tinyml/graph.h"

namespace tinyml {

/// Node metadata as torch writes it (strings by key) to Metadata: "stack_trace" (as in Python's tracebacks) to frames,
/// "nn_module_stack" ("key,path,type;...") to module calls. What does not have that form is carried unread in `other`.
Metadata parse_metadata(const std::map<std::string, std::string>& entries);

/// The inverse.
std::map<std::string, std::string> format_metadata(const Metadata& metadata);

}  // namespace tinyml
