#include "lower/registry.h"

#include "tinyml/lower.h"

namespace tinyml {
namespace lowering {

void Registry::add(std::initializer_list<std::string_view> operators, Function function) {
  for (const std::string_view op : operators) {
    const bool inserted = entries_.emplace("aten." + std::string(op), function).second;
    TINYML_CHECK(inserted);
  }
}

Function Registry::find(std::string_view op) const {
  const auto entry = entries_.find(op);
  return entry == entries_.end() ? nullptr : entry->second;
}

const Registry& registry() {
  static const Registry registry = [] {
    Registry all;
    register_activations(all);
    register_adaptive_pooling(all);
    register_arithmetic(all);
    register_attention(all);
    register_average_pooling(all);
    register_comparison(all);
    register_concatenation(all);
    register_convolution(all);
    register_creation(all);
    register_embedding(all);
    register_fake_quantize(all);
    register_identity(all);
    register_indexing(all);
    register_linear(all);
    register_matmul(all);
    register_max_pooling(all);
    register_normalization(all);
    register_padding(all);
    register_recurrent(all);
    register_reduction(all);
    register_reshape(all);
    register_resize(all);
    register_shuffle(all);
    register_slice(all);
    register_softmax(all);
    register_transposed_convolution(all);
    register_unary(all);
    return all;
  }();
  return registry;
}

}  // namespace lowering

std::vector<std::string> lowerable_operators() {
  std::vector<std::string> names;
  for (const auto& [name, function] : lowering::registry().entries()) names.push_back(name);
  return names;
}

}  // namespace tinyml
