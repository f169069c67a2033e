// The root's calling convention: forward's arguments and what it returns, from the pytree specs of the capture.
#pragma once

#include <set>

#include "codegen/forward_text.h"

namespace tinyml::codegen {

/// Arguments of the root's forward, "x: torch.Tensor, flag=True", and the lines that take nested ones apart.
struct InputText {
  std::vector<std::string> parameters;
  RootSignature signature;
};

/// What the root's forward returns.
struct OutputText {
  std::string expression;
  std::vector<std::string> classes;  ///< Sources of the dataclasses that it makes, innermost last.
};

/// Throws Error for containers other than tuples, lists, dictionaries and classes whose fields the archive names.
InputText input_text(const Graph& graph);
/// `names` has the text of every value; `taken`: names of the module's other classes. A named tuple becomes a tuple.
OutputText output_text(const Graph& graph, const std::map<ValueId, std::string>& names,
                       const std::set<std::string>& taken);

}  // namespace tinyml::codegen
