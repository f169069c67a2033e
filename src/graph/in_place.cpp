#include "graph/in_place.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "tinyml/schema.h"

namespace tinyml {
namespace {

constexpr std::array<std::string_view, 3> kObservers{"aten.fused_moving_avg_obs_fake_quant.default",
                                                     "aten._fused_moving_avg_obs_fq_helper.default",
                                                     "aten._native_batch_norm_legit.default"};
/// What Python's augmented assignments call; the partners have names of their own.
struct Augmented {
  std::string_view in_place;
  std::string_view functional;
};
constexpr std::array<Augmented, 6> kAugmented{{{"aten.__iand__.Tensor", "aten.bitwise_and.Tensor"},
                                               {"aten.__iand__.Scalar", "aten.bitwise_and.Scalar"},
                                               {"aten.__ior__.Tensor", "aten.bitwise_or.Tensor"},
                                               {"aten.__ior__.Scalar", "aten.bitwise_or.Scalar"},
                                               {"aten.__ixor__.Tensor", "aten.bitwise_xor.Tensor"},
                                               {"aten.__ixor__.Scalar", "aten.bitwise_xor.Scalar"}}};
constexpr std::array<std::string_view, 10> kPredicates{"eq", "ne",          "lt",         "le",          "gt",
                                                       "ge", "logical_and", "logical_or", "logical_xor", "logical_not"};
/// Arguments that take part in type promotion.
constexpr std::array<std::string_view, 5> kOperands{"other", "exponent", "tensor1", "tensor2", "end"};

int category(ScalarType type) {
  if (type == ScalarType::kComplex64 || type == ScalarType::kComplex128) return 3;
  return is_floating_point(type) ? 2 : is_integral(type) ? 1 : 0;
}

bool is_unsigned(ScalarType type) {
  return type == ScalarType::kUInt8 || type == ScalarType::kUInt16 || type == ScalarType::kUInt32 ||
         type == ScalarType::kUInt64;
}

ScalarType promote(ScalarType a, ScalarType b) {
  if (a == b) return a;
  if (category(a) != category(b)) return category(a) > category(b) ? a : b;
  if (size_of(a) != size_of(b)) {
    const ScalarType wide = size_of(a) > size_of(b) ? a : b;
    return wide;
  }
  if (category(a) == 2) return ScalarType::kFloat32;  // float16 and bfloat16
  if (is_unsigned(a) == is_unsigned(b)) return a;
  switch (size_of(a)) {
    case 1:
      return ScalarType::kInt16;
    case 2:
      return ScalarType::kInt32;
    default:
      return ScalarType::kInt64;
  }
}

}  // namespace

std::optional<std::string> functional_operator(const std::string& op) {
  for (const Augmented& augmented : kAugmented) {
    if (augmented.in_place == op) return std::string(augmented.functional);
  }
  const size_t start = op.find('.') + 1;
  const size_t end = op.find('.', start);
  if (start == 0 || end == std::string::npos || end < start + 2 || op[end - 1] != '_' || op[end - 2] == '_')
    return std::nullopt;
  const std::string name = op.substr(start, end - 1 - start);
  if (name == "set" || name == "resize" || name == "resize_as" || name == "requires_grad") return std::nullopt;
  std::string functional = op.substr(0, end - 1) + op.substr(end);
  const OpSchema* from = find_schema(op);
  const OpSchema* to = find_schema(functional);
  if (from == nullptr || to == nullptr) return std::nullopt;
  if (to->is_view() && functional != "aten.detach.default") return std::nullopt;
  if (from->arguments.size() != to->arguments.size()) return std::nullopt;
  for (size_t i = 0; i < to->arguments.size(); ++i) {
    // The tensor itself may have another name: dropout_(self), dropout(input).
    if (i > 0 && from->arguments[i].name != to->arguments[i].name) return std::nullopt;
    if (from->arguments[i].type.kind != to->arguments[i].type.kind) return std::nullopt;
  }
  return functional;
}

bool is_observer(const std::string& op) {
  return std::find(kObservers.begin(), kObservers.end(), op) != kObservers.end();
}

ScalarType functional_type(const Graph& graph, const Node& node, const std::string& functional) {
  const TensorType& self = graph.tensor_type(node.args.at(0).value.as_value());
  const std::string_view name(functional);
  const size_t start = name.find('.') + 1;
  const std::string_view base = name.substr(start, name.find('.', start) - start);
  if (std::find(kPredicates.begin(), kPredicates.end(), base) != kPredicates.end()) return ScalarType::kBool;
  ScalarType type = self.type;
  for (const NamedArgument& arg : node.args) {
    if (std::find(kOperands.begin(), kOperands.end(), arg.name) == kOperands.end() || !arg.value.is_value()) continue;
    const Value& other = graph.value(arg.value.as_value());
    if (other.kind != ValueKind::kTensor) continue;
    // A scalar tensor promotes a tensor with dimensions only to another category.
    const bool weak = other.tensor.shape.empty() && !self.shape.empty();
    if (!weak || category(other.tensor.type) > category(type)) type = promote(type, other.tensor.type);
  }
  return type;
}

}  // namespace tinyml
