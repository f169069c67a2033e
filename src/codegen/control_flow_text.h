// torch.cond and while_loop in generated code: local functions for their bodies, and the call.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "codegen/python_text.h"

namespace tinyml::codegen {

struct ControlFlowText {
  std::vector<std::string> lines;  ///< Definitions of the local functions.
  std::string call;
};

bool is_control_flow(const Node& node);
/// `taken`: names of variables that the functions' names must differ from.
ControlFlowText control_flow_text(const Node& node, const ValueText& value_text, const std::set<std::string>& taken);

}  // namespace tinyml::codegen
