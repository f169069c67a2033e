// One operator as a Python expression.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "codegen/python_text.h"

namespace tinyml::codegen {

/// Stands for "the device of the module's input" among an operator's arguments.
inline constexpr ValueId kDeviceValue{UINT32_MAX - 1};

/// The call of the operator. `value_text` names its operands; for kDeviceValue it gives an expression for the device
/// that new tensors shall be made on, or "". Throws Error for operators without any Python form.
std::string node_text(const Graph& graph, const Node& node, const ValueText& value_text);

struct OpTemplate {
  std::string_view op;
  std::string_view text;  ///< See call_text.h.
};
/// Templates in the order they are tried; one operator may have several.
std::span<const OpTemplate> math_templates();
std::span<const OpTemplate> nn_templates();
std::span<const OpTemplate> shape_templates();

/// Forms that depend on shapes or on the pattern of the arguments: views, slices, indexing, Python's own operators on
/// sizes.
/// "" where none applies.
std::string shape_node_text(const Graph& graph, const Node& node, const ValueText& value_text);
std::string reshape_text(const Graph& graph, const Node& node, const ValueText& value_text);

}  // namespace tinyml::codegen
