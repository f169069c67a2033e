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

/// "aten.add.Tensor" for "aten.add_.Tensor"; nothing for a name that is not an in-place operator's.
std::optional<std::string> without_underscore(const std::string& op) {
  const size_t start = op.find('.') + 1;
  const size_t end = op.find('.', start);
  if (start == 0 || end == std::string::npos || end < start + 2 || op[end - 1] != '_' || op[end - 2] == '_')
    return std::nullopt;
  return op.substr(0, end - 1) + op.substr(end);
}

}  // namespace

std::optional<std::string> view_operator(const std::string& op) {
  if (op == "aten.transpose_.default") return "aten.transpose.int";
  const std::optional<std::string> partner = without_underscore(op);
  const OpSchema* schema = partner ? find_schema(*partner) : nullptr;
  // Those that choose the view by strides or element type have no meaning for values.
  const bool by_memory = op.starts_with("aten.as_strided_.") || op.starts_with("aten.set_.");
  return schema != nullptr && schema->is_view() && !by_memory ? partner : std::nullopt;
}

std::optional<std::string> functional_operator(const std::string& op) {
  for (const Augmented& augmented : kAugmented) {
    if (augmented.in_place == op) return std::string(augmented.functional);
  }
  std::optional<std::string> functional = without_underscore(op);
  for (const char* memory : {"aten.set_.", "aten.resize_.", "aten.resize_as_.", "aten.requires_grad_."}) {
    if (!functional || op.starts_with(memory)) return std::nullopt;
  }
  const OpSchema* from = find_schema(op);
  const OpSchema* to = find_schema(*functional);
  if (from == nullptr || to == nullptr) return std::nullopt;
  if (to->is_view()) return std::nullopt;
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
