#include <algorithm>
#include <map>
#include <set>

#include "tflite/constant_values.h"
#include "tflite/layout/operator_layout.h"
#include "tflite/layout/prepare_layout.h"
#include "tflite/layout/reshape_order.h"
#include "tflite/layout/rewrite_operator.h"
#include "tflite/layout/solve_layout.h"
#include "tflite/operator_traits.h"
#include "tflite/signature_binding.h"
#include "tinyml/error.h"
#include "tinyml/tflite_passes.h"

namespace tinyml::tflite {
namespace {

void permute_tensor(Tensor& tensor, const Order& order) {
  tensor.shape = permuted(tensor.shape, order);
  if (!tensor.shape_signature.empty()) tensor.shape_signature = permuted(tensor.shape_signature, order);
  if (tensor.quantization.per_channel()) {
    auto& dimension = tensor.quantization.quantized_dimension;
    dimension = inverse(order)[static_cast<size_t>(dimension)];
  }
}

// The columns of a FULLY_CONNECTED's weights follow the order in which its flattened input is stored.
void permute_columns(Subgraph& subgraph, const Uses& uses, int reshape, const Order& columns) {
  const auto holder = flattened_weights(subgraph, uses, reshape);
  TINYML_CHECK(holder.has_value());
  const Operator& op = subgraph.operators[static_cast<size_t>(reshape)];
  const Tensor& whole = subgraph.tensors[static_cast<size_t>(op.inputs[0])];
  Order logical = columns;
  std::sort(logical.begin(), logical.end());
  int& input = subgraph.operators[static_cast<size_t>(holder->op)].inputs[static_cast<size_t>(holder->input)];
  Tensor weights = subgraph.tensors[static_cast<size_t>(input)];
  Shape unfolded = {weights.shape[0]};
  Order order = {0};
  for (size_t i = 0; i < logical.size(); ++i) {
    unfolded.push_back(whole.shape[static_cast<size_t>(logical[i])]);
    const auto at = std::find(logical.begin(), logical.end(), columns[i]) - logical.begin();
    order.push_back(static_cast<int>(at) + 1);
  }
  weights.buffer = permute_bytes(weights.buffer, static_cast<size_t>(bits_of(weights.type)) / 8, unfolded, order);
  input = subgraph.add_tensor(std::move(weights));
}

// Writes the subgraph in the solved orders.
class Rewrite {
 public:
  Rewrite(Subgraph& subgraph, std::vector<Order> orders) : subgraph_(subgraph), stored_(std::move(orders)) {
    for (size_t t = 0; t < stored_.size(); ++t) {
      logical_shape_.push_back(subgraph_.tensors[t]);
      logical_shape_.back().buffer = Buffer();
      if (!stored_[t].empty()) permute_tensor(subgraph_.tensors[t], stored_[t]);
      alias_.push_back(static_cast<int>(t));
    }
  }

  void run(const std::vector<LayoutConfig>& configs, const std::vector<Order>& outputs) {
    std::vector<Operator> operators = std::move(subgraph_.operators);
    subgraph_.operators.clear();
    for (size_t o = 0; o < operators.size(); ++o) {
      Operator& op = operators[o];
      const LayoutConfig& config = configs[o];
      if (op.op == Op::TRANSPOSE && moves_nothing(op, config)) {
        alias_[static_cast<size_t>(op.outputs[0])] = read(op.inputs[0], config.inputs[0]);
        continue;
      }
      if (op.op == Op::SHAPE && !config.inputs[0].empty() && !is_identity(config.inputs[0])) {
        shapes_[op.outputs[0]] = config.inputs[0];
      }
      const auto measured = op.op == Op::STRIDED_SLICE ? shapes_.find(op.inputs[0]) : shapes_.end();
      if (measured != shapes_.end()) reorder_size(subgraph_, op, measured->second);
      rewrite_attributes(subgraph_, op, config);
      for (size_t i = 0; i < op.inputs.size(); ++i) op.inputs[i] = read(op.inputs[i], config.inputs[i]);
      const bool exchanges = op.op == Op::BATCH_MATMUL && !config.outputs[0].empty() && !is_identity(config.outputs[0]);
      if (exchanges) std::swap(op.inputs[0], op.inputs[1]);  // (x y)^T = y^T x^T
      subgraph_.operators.push_back(std::move(op));
    }
    for (size_t i = 0; i < outputs.size(); ++i) {
      int& id = subgraph_.outputs[i];
      const int given = id;
      id = read(given, outputs[i]);
      if (id != given) take_name(given, id);
    }
  }

  int transposes() const { return transposes_; }
  int64_t bytes() const { return bytes_; }

 private:
  bool moves_nothing(const Operator& op, const LayoutConfig& config) const {
    // Configurations of a TRANSPOSE with known permutation are images of each other; one of opaque tensors is pinned.
    return constant_integers(subgraph_, op, 1) && !touches_opaque(subgraph_, op) && !config.inputs[0].empty() &&
           !config.outputs[0].empty();
  }

  int read(int id, const Order& wanted) {
    if (id == kNoTensor || static_cast<size_t>(id) >= stored_.size()) return id;
    if (subgraph_.tensors[static_cast<size_t>(id)].is_constant()) return read_constant(id, wanted);
    const Order& stored = stored_[static_cast<size_t>(id)];
    const int source = alias_[static_cast<size_t>(id)];
    if (stored.empty()) return source;
    const Order target = wanted.empty() ? identity_order(static_cast<int>(stored.size())) : wanted;
    if (stored == target) return source;
    const auto [entry, is_new] = converted_.try_emplace({id, target}, kNoTensor);
    if (!is_new) return entry->second;
    const Tensor& logical = logical_shape_[static_cast<size_t>(id)];
    Tensor out = logical;
    permute_tensor(out, target);
    const bool moves = order_key(logical, stored) != order_key(logical, target);
    out.name += moves ? "_transposed" : "_reshaped";
    const int result = subgraph_.add_tensor(std::move(out));
    if (moves) {
      const Order permutation = permutation_between(stored, target);
      const int attribute =
          subgraph_.add_constant("permutation", std::vector<int32_t>(permutation.begin(), permutation.end()));
      subgraph_.add_operator(Op::TRANSPOSE, {source, attribute}, {result});
      ++transposes_;
      bytes_ += bits_of(logical.type) == 0 ? 0 : byte_count(logical.type, logical.shape);
    } else {
      subgraph_.add_operator(Op::RESHAPE, {source}, {result}, ReshapeOptions{});
    }
    converted_[{id, target}] = result;
    return result;
  }

  int read_constant(int id, const Order& wanted) {
    const auto missing = static_cast<int>(wanted.size()) - subgraph_.tensors[static_cast<size_t>(id)].rank();
    if (wanted.empty() || is_identity(wanted)) return id;
    const auto [entry, is_new] = converted_.try_emplace({id, wanted}, kNoTensor);
    if (!is_new) return entry->second;
    Tensor constant = subgraph_.tensors[static_cast<size_t>(id)];
    TINYML_CHECK(missing >= 0);
    constant.shape.insert(constant.shape.begin(), static_cast<size_t>(missing), 1);
    constant.quantization.quantized_dimension += missing;
    constant.shape_signature.clear();
    const int bits = bits_of(constant.type);
    if (bits == 0 || bits % 8 != 0) {
      throw Error("constant '" + constant.name + "' of type " + std::string(to_string(constant.type)) +
                  " cannot be reordered");
    }
    if (order_key(constant, wanted) != order_key(constant, identity_order(constant.rank()))) {
      constant.buffer = permute_bytes(constant.buffer, static_cast<size_t>(bits / 8), constant.shape, wanted);
    }
    permute_tensor(constant, wanted);
    return converted_[{id, wanted}] = subgraph_.add_tensor(std::move(constant));
  }

  // The file's output keeps the name it was given.
  void take_name(int from, int to) {
    Tensor& inner = subgraph_.tensors[static_cast<size_t>(from)];
    Tensor& outer = subgraph_.tensors[static_cast<size_t>(to)];
    const bool is_input = std::find(subgraph_.inputs.begin(), subgraph_.inputs.end(), to) != subgraph_.inputs.end();
    if (is_input || outer.is_constant() || inner.is_constant() || named_.contains(to)) return;
    named_.insert(to);
    outer.name = logical_shape_[static_cast<size_t>(from)].name;
    inner.name += "_inner";
  }

  Subgraph& subgraph_;
  std::vector<Order> stored_;          // Empty: a constant, or of rank below 2.
  std::vector<Tensor> logical_shape_;  // The tensors as they were, without contents.
  std::vector<int> alias_;
  std::map<std::pair<int, Order>, int> converted_;
  std::map<int, Order> shapes_;  // What SHAPE gives -> the order of the tensor it measures.
  std::set<int> named_;
  int transposes_ = 0;
  int64_t bytes_ = 0;
};

std::vector<Order> boundary_orders(const Subgraph& subgraph, const std::vector<int>& ids, bool channels_last,
                                   const std::map<size_t, Order>& given) {
  std::vector<Order> orders;
  for (size_t i = 0; i < ids.size(); ++i) {
    const Tensor& tensor = subgraph.tensors[static_cast<size_t>(ids[i])];
    const int rank = tensor.rank();
    const auto exception = given.find(i);
    if (exception != given.end()) {
      if (!is_permutation_of_axes(exception->second, rank)) {
        throw Error("the order given for '" + tensor.name + "' is no permutation of its " + std::to_string(rank) +
                    " dimensions");
      }
      orders.push_back(exception->second);
    } else {
      orders.push_back(channels_last && rank == 4 ? channels_last_order(rank) : identity_order(rank));
    }
  }
  return orders;
}

LayoutReport assign_subgraph(Subgraph& subgraph, const LayoutOptions& options, bool is_main) {
  const bool has_images = std::any_of(subgraph.operators.begin(), subgraph.operators.end(),
                                      [](const Operator& op) { return op.channels_first; });
  prepare_layout(subgraph);
  LayoutReport report;
  const std::map<size_t, Order> none;
  report.input_orders =
      boundary_orders(subgraph, subgraph.inputs, is_main && has_images && options.channels_last_inputs,
                      is_main ? options.input_orders : none);
  report.output_orders =
      boundary_orders(subgraph, subgraph.outputs, is_main && has_images && options.channels_last_outputs,
                      is_main ? options.output_orders : none);
  std::vector<Order> stored(subgraph.tensors.size());
  std::vector<LayoutConfig> configs;
  {
    const Uses uses = find_uses(subgraph);
    const OperatorLayouts layouts(subgraph, uses);
    configs = solve_layout(subgraph, uses, layouts, report.input_orders, report.output_orders).configs;
    for (size_t o = 0; o < configs.size(); ++o) {
      if (!configs[o].columns.empty()) permute_columns(subgraph, uses, static_cast<int>(o), configs[o].columns);
    }
  }
  for (size_t i = 0; i < subgraph.inputs.size(); ++i) {
    stored[static_cast<size_t>(subgraph.inputs[i])] = report.input_orders[i];
  }
  for (size_t o = 0; o < configs.size(); ++o) {
    for (size_t i = 0; i < configs[o].outputs.size(); ++i) {
      stored[static_cast<size_t>(subgraph.operators[o].outputs[i])] = configs[o].outputs[i];
    }
  }
  stored.resize(subgraph.tensors.size());
  for (size_t t = 0; t < stored.size(); ++t) {  // Variables that no operator makes lie as the file says.
    const Tensor& tensor = subgraph.tensors[t];
    if (tensor.is_variable && stored[t].empty() && tensor.rank() >= 2) stored[t] = identity_order(tensor.rank());
  }
  Rewrite rewrite(subgraph, std::move(stored));
  rewrite.run(configs, report.output_orders);
  report.transposes = rewrite.transposes();
  report.bytes_transposed = rewrite.bytes();
  return report;
}

}  // namespace

LayoutReport assign_layout(Model& model, const LayoutOptions& options) {
  const SignatureBinding binding(model);
  LayoutReport report;
  for (size_t i = 0; i < model.subgraphs.size(); ++i) {
    LayoutReport part = assign_subgraph(model.subgraphs[i], options, i == 0);
    if (i == 0) {
      report = std::move(part);
    } else {
      report.transposes += part.transposes;
      report.bytes_transposed += part.bytes_transposed;
    }
  }
  binding.restore(model);
  return report;
}

}  // namespace tinyml::tflite
