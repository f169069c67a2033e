#pragma once

#include "codegen/call_text.h"

namespace tinyml::codegen {

/// The arguments of F.interpolate or nn.Upsample, the input left out, for an `upsample_*.vec` node; nullopt for another
/// operator.
std::optional<CallText> interpolate_call(const Node& node, const std::string& callee, const ValueText& value_text);

}  // namespace tinyml::codegen
