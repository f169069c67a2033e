// What does nothing in inference, and type conversions.
#include "lower/registry.h"

namespace tinyml::lowering {
namespace {

void lower_identity(Lowering& at) {  // set_output converts the type
  at.set_output(at.input(at.node().args[0].name));
}

void lower_view_type(Lowering& at) {
  const TensorId x = at.input("self");
  const TensorType& from = at.graph().tensor_type(at.node().arg("self").as_value());
  if (from.type != at.graph().tensor_type(at.node().outputs[0]).type) {
    at.refuse("the bytes of a tensor seen as another type", "convert the numbers with .to(...)");
  }
  at.set_output(x);
}

}  // namespace

void register_identity(Registry& registry) {
  registry.add({"dropout.default", "feature_dropout.default", "alpha_dropout.default", "feature_alpha_dropout.default",
                "native_dropout.default", "contiguous.default", "clone.default", "detach.default", "alias.default",
                "lift_fresh_copy.default", "to.dtype", "to.dtype_layout", "to.device", "to.other", "_to_copy.default",
                "type_as.default", "positive.default", "resolve_conj.default", "resolve_neg.default"},
               lower_identity);
  registry.add({"view.dtype"}, lower_view_type, "the type that the tensor has already");
}

}  // namespace tinyml::lowering
