// The operators that can be lowered, by name. Each family's file registers its own.
#pragma once

#include <initializer_list>
#include <map>
#include <string>
#include <string_view>

#include "lower/lowering.h"

namespace tinyml::lowering {

struct Entry {
  Function function = nullptr;
  std::string limits;  ///< What the operator is refused for, for the user's table; "" for nothing.
};

/// Why an operator has no entry, and the way out.
struct Refusal {
  std::string reason, remedy;
};

class Registry {
 public:
  /// `operators` as in the graph, without the leading "aten.": "conv2d.default"; other namespaces in full. `limits`
  /// says what arguments the function refuses and why.
  void add(std::initializer_list<std::string_view> operators, Function function, std::string_view limits = "");
  /// What to say of operators that TFLite cannot express, by name without overload ("nonzero"); "fft_*" stands for all
  /// names that begin so.
  void refuse(std::initializer_list<std::string_view> names, std::string_view reason, std::string_view remedy);
  /// nullptr when there is no entry.
  Function find(std::string_view op) const;
  const Refusal* find_refusal(std::string_view op) const;
  const std::map<std::string, Entry, std::less<>>& entries() const { return entries_; }
  const std::map<std::string, Refusal, std::less<>>& refusals() const { return refusals_; }

 private:
  std::map<std::string, Entry, std::less<>> entries_;
  std::map<std::string, Refusal, std::less<>> refusals_;
};

/// All families registered.
const Registry& registry();

// One function a family.
void register_activations(Registry& registry);
void register_adaptive_pooling(Registry& registry);
void register_affine_grid(Registry& registry);
void register_arithmetic(Registry& registry);
void register_attention(Registry& registry);
void register_average_pooling(Registry& registry);
void register_batch_normalization(Registry& registry);
void register_bilinear(Registry& registry);
void register_class_losses(Registry& registry);
void register_classification(Registry& registry);
void register_comparison(Registry& registry);
void register_concatenation(Registry& registry);
void register_convolution(Registry& registry);
void register_creation(Registry& registry);
void register_cumulative(Registry& registry);
void register_diagonal(Registry& registry);
void register_distance(Registry& registry);
void register_division(Registry& registry);
void register_einsum(Registry& registry);
void register_embedding(Registry& registry);
void register_embedding_losses(Registry& registry);
void register_fake_quantize(Registry& registry);
void register_grid_sample(Registry& registry);
void register_identity(Registry& registry);
void register_indexing(Registry& registry);
void register_linear(Registry& registry);
void register_logic(Registry& registry);
void register_losses(Registry& registry);
void register_matmul(Registry& registry);
void register_max_pooling(Registry& registry);
void register_norm(Registry& registry);
void register_normalization(Registry& registry);
void register_order(Registry& registry);
void register_padding(Registry& registry);
void register_patches(Registry& registry);
void register_products(Registry& registry);
void register_recurrent(Registry& registry);
void register_reduction(Registry& registry);
void register_refusals(Registry& registry);
void register_reshape(Registry& registry);
void register_resize_interpolating(Registry& registry);
void register_resize_nearest(Registry& registry);
void register_scatter(Registry& registry);
void register_search(Registry& registry);
void register_shuffle(Registry& registry);
void register_slice(Registry& registry);
void register_softmax(Registry& registry);
void register_special(Registry& registry);
void register_split(Registry& registry);
void register_statistics(Registry& registry);
void register_transposed_convolution(Registry& registry);
void register_trigonometry(Registry& registry);
void register_unary(Registry& registry);
void register_windows(Registry& registry);

}  // namespace tinyml::lowering
