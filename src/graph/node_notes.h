// What passes and generated code ask of single nodes.
#pragma once

#include <string>
#include <string_view>

#include "tinyml/graph.h"

namespace tinyml {

/// Whether the node is one of ATen's own FakeQuants, per tensor or per channel.
inline bool is_fake_quantize(const Node& node) { return node.op.starts_with("aten.fake_quantize_per_"); }

/// Whether the node gives the same elements another shape, which it says in full.
inline bool is_reshape(const Node& node) {
  return node.op == "aten.view.default" || node.op == "aten.reshape.default" || node.op == "aten._unsafe_view.default";
}

/// The note of that name in Metadata::other, or nullptr.
const std::string* note_of(const Node& node, std::string_view name);

}  // namespace tinyml
