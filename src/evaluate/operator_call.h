#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tinyml/graph.h"

namespace tinyml::evaluation {

/// A tensor argument that may have been written as a plain number, which matters for type promotion.
struct Operand {
  Tensor tensor;
  bool is_number = false;
};

/// One operator call: its arguments with tensors and numbers in place of value ids.
class OperatorCall {
 public:
  using Lookup = std::function<const Tensor&(ValueId)>;

  OperatorCall(const Graph& graph, const Node& node, const Lookup& lookup, bool float64)
      : graph_(graph), node_(node), lookup_(lookup), float64_(float64) {}

  const Node& node() const { return node_; }
  const std::string& op() const { return node_.op; }
  size_t output_count() const { return node_.outputs.size(); }
  /// Whether somebody reads that result.
  bool wants_output(size_t index) const {
    return node_.outputs[index] != kNoValue && !graph_.is_unused(node_.outputs[index]);
  }

  /// Whether the argument is None or the operator has none of that name.
  bool is_none(std::string_view name) const;
  /// A number standing for a tensor becomes a tensor of rank 0.
  Tensor tensor(std::string_view name) const { return operand(name).tensor; }
  /// An undefined tensor for None.
  Tensor optional_tensor(std::string_view name) const { return is_none(name) ? Tensor() : tensor(name); }
  Operand operand(std::string_view name) const;
  /// A list of tensors; None entries are undefined.
  std::vector<Tensor> tensors(std::string_view name) const;

  int64_t integer(std::string_view name) const;
  std::optional<int64_t> optional_integer(std::string_view name) const;
  /// A list of integers; one integer counts as a list of one, None as an empty list.
  std::vector<int64_t> integers(std::string_view name) const;
  /// The same with `count` entries: a single integer stands for all.
  std::vector<int64_t> integers(std::string_view name, size_t count) const;
  double number(std::string_view name) const;
  std::optional<double> optional_number(std::string_view name) const;
  std::vector<double> numbers(std::string_view name) const;
  bool boolean(std::string_view name) const { return number(name) != 0; }
  const std::string& string(std::string_view name) const { return node_.arg(name).as_string(); }

  /// `type`, or float64 if it is floating-point and everything is computed in float64.
  ScalarType effective(ScalarType type) const {
    return float64_ && is_floating_point(type) ? ScalarType::kFloat64 : type;
  }
  std::optional<ScalarType> optional_type(std::string_view name) const;
  /// What integers become in a floating-point operation.
  ScalarType default_float() const { return effective(ScalarType::kFloat32); }

  /// Argument by position, for operators without argument names.
  Operand operand_at(size_t index) const { return to_operand(node_.args.at(index).value); }

 private:
  Operand to_operand(const Argument& argument) const;
  int64_t to_integer(const Argument& argument) const;
  double to_number(const Argument& argument) const;

  const Graph& graph_;
  const Node& node_;
  const Lookup& lookup_;
  bool float64_;
};

}  // namespace tinyml::evaluation
