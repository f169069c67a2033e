// The root's calling convention: forward's arguments and what it returns, from the pytree specs of the capture.
#pragma once

#include "codegen/forward_text.h"

namespace tinyml::codegen {

/// Arguments of the root's forward, "x: torch.Tensor, flag=True", and the lines that take nested ones apart.
struct InputText {
  std::vector<std::string> parameters;
  RootSignature signature;
};

/// Throws Error for containers other than tuples, lists and dictionaries.
InputText input_text(const Graph& graph);
/// The expression that forward returns; `names` has the text of every value.
std::string output_text(const Graph& graph, const std::map<ValueId, std::string>& names);

}  // namespace tinyml::codegen
