// C++ source text: literals, names, line breaking, and operators as calls of LibTorch.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "codegen/python_text.h"
#include "tinyml/schema.h"

namespace tinyml::codegen {

/// A double as C++ reads it back exactly: "0.1", "2.0", "std::numeric_limits<double>::infinity()".
std::string cpp_double(double value);
/// "torch::kFloat32".
std::string cpp_scalar_type(ScalarType type);
/// The name of a member or variable that stands for a module, tensor or value of that name: no keyword, no name that
/// torch::nn::Module gives a meaning to.
std::string cpp_name(std::string_view name);
/// The C++ type of a value: torch::Tensor, int64_t, double or bool.
std::string cpp_type(const Graph& graph, ValueId value);

/// The argument as the operator of that schema takes it in C++.
std::string cpp_argument(const SchemaType& type, const Argument& argument, const ValueText& value_text);

/// The call of the operator; "" for one that states facts of the capture only. `value_text` as for node_text. Throws
/// Error, which names module and source line, for operators that LibTorch has no C++ function for.
std::string cpp_node_text(const Node& node, const ValueText& value_text);

/// One statement, indented, broken after commas where it is longer than the limit.
void append_cpp_line(std::string& out, int indent, std::string_view text);

}  // namespace tinyml::codegen
