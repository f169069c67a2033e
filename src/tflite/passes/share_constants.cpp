#include <cstring>
#include <string_view>
#include <unordered_map>

#include "tflite/passes/editor.h"
#include "tflite/passes/passes.h"

namespace tinyml::tflite {
namespace {

std::string_view bytes_of(const Tensor& tensor) {
  return {reinterpret_cast<const char*>(tensor.buffer.data()), tensor.buffer.size()};
}

// Large constants are hashed by a sample; equality is decided on all bytes.
size_t sample_hash(const Tensor& tensor) {
  const std::string_view bytes = bytes_of(tensor);
  const std::hash<std::string_view> hash;
  size_t result = hash(bytes.substr(0, 1024)) * 31 + bytes.size();
  if (bytes.size() > 2048) result = result * 31 + hash(bytes.substr(bytes.size() / 2, 1024));
  return result * 31 + static_cast<size_t>(tensor.type);
}

}  // namespace

int share_constants(Subgraph& subgraph) {
  Editor editor(subgraph);
  std::unordered_multimap<size_t, int> seen;
  int changes = 0;
  for (int id = 0; id < static_cast<int>(subgraph.tensors.size()); ++id) {
    const Tensor& tensor = editor.tensor(id);
    if (!tensor.is_constant() || editor.consumers(id).empty() || tensor.is_variable) continue;
    const size_t hash = sample_hash(tensor);
    const auto [first, last] = seen.equal_range(hash);
    bool shared = false;
    for (auto at = first; at != last && !shared; ++at) {
      Tensor& other = editor.tensor(at->second);
      if (bytes_of(other) != bytes_of(tensor)) continue;
      if (same_kind(other, tensor)) {
        editor.replace_uses(id, at->second);
        shared = true;
      } else if (!other.buffer.same_storage(tensor.buffer)) {
        editor.tensor(id).buffer = other.buffer;  // One copy in the file, two tensors.
      }
    }
    changes += shared ? 1 : 0;
    if (!shared) seen.emplace(hash, id);
  }
  editor.finish();
  return changes;
}

}  // namespace tinyml::tflite
