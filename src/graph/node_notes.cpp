#include "graph/node_notes.h"

namespace tinyml {

const std::string* note_of(const Node& node, std::string_view name) {
  const auto found = node.metadata.other.find(std::string(name));
  return found == node.metadata.other.end() ? nullptr : &found->second;
}

}  // namespace tinyml
