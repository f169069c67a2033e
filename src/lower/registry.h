// The operators that can be lowered, by name. Each family's file registers its own.
#pragma once

#include <initializer_list>
#include <map>
#include <string>
#include <string_view>

#include "lower/lowering.h"

namespace tinyml::lowering {

class Registry {
 public:
  /// `operators` as in the graph, without the leading "aten.": "conv2d.default".
  void add(std::initializer_list<std::string_view> operators, Function function);
  /// nullptr when there is no entry.
  Function find(std::string_view op) const;
  const std::map<std::string, Function, std::less<>>& entries() const { return entries_; }

 private:
  std::map<std::string, Function, std::less<>> entries_;
};

/// All families registered.
const Registry& registry();

// One function a family.
void register_activations(Registry& registry);
void register_arithmetic(Registry& registry);
void register_adaptive_pooling(Registry& registry);
void register_attention(Registry& registry);
void register_average_pooling(Registry& registry);
void register_comparison(Registry& registry);
void register_concatenation(Registry& registry);
void register_convolution(Registry& registry);
void register_creation(Registry& registry);
void register_embedding(Registry& registry);
void register_fake_quantize(Registry& registry);
void register_identity(Registry& registry);
void register_indexing(Registry& registry);
void register_linear(Registry& registry);
void register_matmul(Registry& registry);
void register_max_pooling(Registry& registry);
void register_normalization(Registry& registry);
void register_padding(Registry& registry);
void register_recurrent(Registry& registry);
void register_reduction(Registry& registry);
void register_reshape(Registry& registry);
void register_resize(Registry& registry);
void register_shuffle(Registry& registry);
void register_slice(Registry& registry);
void register_softmax(Registry& registry);
void register_transposed_convolution(Registry& registry);
void register_unary(Registry& registry);

}  // namespace tinyml::lowering
