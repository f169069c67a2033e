#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "evaluate/operator_call.h"

namespace tinyml::evaluation {

using SingleEvaluator = Tensor (*)(const OperatorCall&);
using MultiEvaluator = std::vector<Tensor> (*)(const OperatorCall&);

/// An operator and the function that computes it: one tensor, or one for each output.
struct OperatorEntry {
  std::string_view op;
  SingleEvaluator single = nullptr;
  MultiEvaluator multiple = nullptr;

  constexpr OperatorEntry(std::string_view name, SingleEvaluator evaluator) : op(name), single(evaluator) {}
  constexpr OperatorEntry(std::string_view name, MultiEvaluator evaluator) : op(name), multiple(evaluator) {}
};

/// nullptr if there is none.
const OperatorEntry* find_operator(std::string_view op);

/// Runs the call; Errors without a location get the node's. Returns as many tensors as the node has outputs.
std::vector<Tensor> run_operator(const OperatorCall& call);

// One table a family; registry.cpp joins them.
std::span<const OperatorEntry> arithmetic_operators();
std::span<const OperatorEntry> arrange_operators();
std::span<const OperatorEntry> class_loss_operators();
std::span<const OperatorEntry> distance_operators();
std::span<const OperatorEntry> loss_operators();
std::span<const OperatorEntry> product_operators();
std::span<const OperatorEntry> reduce_into_operators();
std::span<const OperatorEntry> search_operators();
std::span<const OperatorEntry> special_operators();
std::span<const OperatorEntry> statistics_operators();
std::span<const OperatorEntry> comparison_operators();
std::span<const OperatorEntry> unary_operators();
std::span<const OperatorEntry> activation_operators();
std::span<const OperatorEntry> convolution_operators();
std::span<const OperatorEntry> matrix_operators();
std::span<const OperatorEntry> normalization_operators();
std::span<const OperatorEntry> pooling_operators();
std::span<const OperatorEntry> adaptive_pooling_operators();
std::span<const OperatorEntry> reduction_operators();
std::span<const OperatorEntry> softmax_operators();
std::span<const OperatorEntry> view_operators();
std::span<const OperatorEntry> split_operators();
std::span<const OperatorEntry> join_operators();
std::span<const OperatorEntry> shuffle_operators();
std::span<const OperatorEntry> pad_operators();
std::span<const OperatorEntry> cast_operators();
std::span<const OperatorEntry> creation_operators();
std::span<const OperatorEntry> sequence_operators();
std::span<const OperatorEntry> symbolic_operators();
std::span<const OperatorEntry> fake_quantize_operators();
std::span<const OperatorEntry> attention_operators();
std::span<const OperatorEntry> einsum_operators();
std::span<const OperatorEntry> patch_operators();
std::span<const OperatorEntry> recurrent_operators();
std::span<const OperatorEntry> index_operators();
std::span<const OperatorEntry> order_operators();
std::span<const OperatorEntry> scatter_operators();
std::span<const OperatorEntry> upsample_operators();
std::span<const OperatorEntry> vector_operators();
std::span<const OperatorEntry> grid_sample_operators();
std::span<const OperatorEntry> embedding_bag_operators();

}  // namespace tinyml::evaluation
