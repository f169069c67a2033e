#include "lower/registry.h"

#include <algorithm>

#include "lower/control_flow.h"
#include "tinyml/lower.h"

namespace tinyml {
namespace lowering {

void Registry::add(std::initializer_list<std::string_view> operators, Function function, std::string_view limits) {
  for (const std::string_view op : operators) {
    const bool is_qualified = std::count(op.begin(), op.end(), '.') > 1 || op.starts_with("higher_order.");
    std::string name = is_qualified ? std::string(op) : "aten." + std::string(op);
    const bool inserted = entries_.emplace(std::move(name), Entry{function, std::string(limits)}).second;
    TINYML_CHECK(inserted);
  }
}

void Registry::refuse(std::initializer_list<std::string_view> names, std::string_view reason, std::string_view remedy) {
  for (const std::string_view name : names) {
    const bool inserted =
        refusals_.emplace("aten." + std::string(name), Refusal{std::string(reason), std::string(remedy)}).second;
    TINYML_CHECK(inserted);
  }
}

Function Registry::find(std::string_view op) const {
  const auto entry = entries_.find(op);
  return entry == entries_.end() ? nullptr : entry->second.function;
}

const Refusal* Registry::find_refusal(std::string_view op) const {
  const std::string_view name = op.substr(0, op.find('.', op.find('.') + 1));
  if (const auto exact = refusals_.find(name); exact != refusals_.end()) return &exact->second;
  for (const auto& [pattern, refusal] : refusals_) {
    if (pattern.ends_with('*') && name.starts_with(std::string_view(pattern).substr(0, pattern.size() - 1))) {
      return &refusal;
    }
  }
  return nullptr;
}

const Registry& registry() {
  static const Registry registry = [] {
    Registry all;
    register_activations(all);
    register_adaptive_pooling(all);
    register_affine_grid(all);
    register_arithmetic(all);
    register_attention(all);
    register_average_pooling(all);
    register_batch_normalization(all);
    register_bilinear(all);
    register_class_losses(all);
    register_classification(all);
    register_comparison(all);
    register_concatenation(all);
    register_control_flow(all);
    register_convolution(all);
    register_creation(all);
    register_cumulative(all);
    register_diagonal(all);
    register_distance(all);
    register_division(all);
    register_einsum(all);
    register_embedding(all);
    register_embedding_losses(all);
    register_fake_quantize(all);
    register_grid_sample(all);
    register_identity(all);
    register_indexing(all);
    register_linear(all);
    register_logic(all);
    register_losses(all);
    register_matmul(all);
    register_max_pooling(all);
    register_norm(all);
    register_normalization(all);
    register_order(all);
    register_padding(all);
    register_patches(all);
    register_products(all);
    register_recurrent(all);
    register_reduction(all);
    register_refusals(all);
    register_reshape(all);
    register_resize_interpolating(all);
    register_resize_nearest(all);
    register_scatter(all);
    register_search(all);
    register_shuffle(all);
    register_slice(all);
    register_softmax(all);
    register_special(all);
    register_split(all);
    register_statistics(all);
    register_transposed_convolution(all);
    register_trigonometry(all);
    register_unary(all);
    register_windows(all);
    return all;
  }();
  return registry;
}

}  // namespace lowering

std::vector<std::string> lowerable_operators() {
  std::vector<std::string> names;
  for (const auto& [name, entry] : lowering::registry().entries()) names.push_back(name);
  return names;
}

std::vector<OperatorSupport> operator_support() {
  std::vector<OperatorSupport> rows;
  for (const auto& [name, entry] : lowering::registry().entries()) rows.push_back({name, true, entry.limits, ""});
  for (const auto& [name, refusal] : lowering::registry().refusals()) {
    rows.push_back({name, false, refusal.reason, refusal.remedy});
  }
  return rows;
}

}  // namespace tinyml
