// Copies, changes of element type, and operators that only matter for training or for PyTorch's memory.
#include "evaluate/registry.h"

namespace tinyml::evaluation {
namespace {

template <const char* kName>
Tensor identity(const OperatorCall& call) {
  return call.tensor(kName);
}
constexpr char kSelf[] = "self";

Tensor to_type(const OperatorCall& call) {
  const Tensor self = call.tensor("self");
  const auto type = call.optional_type("dtype");
  return type ? self.to(*type) : self;
}

Tensor to_type_of(const OperatorCall& call) { return call.tensor("self").to(call.tensor("other").type()); }

constexpr OperatorEntry kOperators[] = {
    {"aten.clone.default", identity<kSelf>},
    {"aten.contiguous.default", identity<kSelf>},
    {"aten.alias.default", identity<kSelf>},
    {"aten.detach.default", identity<kSelf>},
    {"aten.detach_.default", identity<kSelf>},
    {"aten.lift_fresh_copy.default", identity<kSelf>},
    {"aten.lift_fresh.default", identity<kSelf>},
    {"aten.resolve_conj.default", identity<kSelf>},
    {"aten.resolve_neg.default", identity<kSelf>},
    {"aten.cpu.default", identity<kSelf>},
    {"aten.to.dtype", to_type},
    {"aten.to.dtype_layout", to_type},
    {"aten.to.device", to_type},
    {"aten.to.other", to_type_of},
    {"aten.type_as.default", to_type_of},
    {"aten._to_copy.default", to_type},
};

}  // namespace

std::span<const OperatorEntry> cast_operators() { return kOperators; }

}  // namespace tinyml::evaluation
