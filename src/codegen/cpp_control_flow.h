// torch.cond and while_loop in generated C++ code: lambdas for their bodies, and what calls them.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "codegen/python_text.h"

namespace tinyml::codegen {

struct CppControlFlow {
  std::vector<std::string> lines;  ///< Statements before the call.
  std::string results;             ///< An expression: the results, a std::vector<torch::Tensor>.
};

/// For nodes of which is_control_flow() holds. `taken`: names of variables; those that the statements declare are
/// added. Throws Error, which names module and source line, for bodies that return or carry anything but tensors.
CppControlFlow cpp_control_flow(const Node& node, const ValueText& value_text, std::set<std::string>& taken);

/// The nodes of the bodies of a control flow node, those of bodies inside included, that have no form in C++.
void check_bodies(const Node& node, std::vector<Diagnostic>& problems);

}  // namespace tinyml::codegen
