// What does nothing in inference, and type conversions.
#include "lower/registry.h"

namespace tinyml::lowering {
namespace {

void lower_identity(Lowering& at) {  // set_output converts the type
  at.set_output(at.input(at.node().args[0].name));
}

}  // namespace

void register_identity(Registry& registry) {
  registry.add({"dropout.default", "feature_dropout.default", "alpha_dropout.default", "feature_alpha_dropout.default",
                "native_dropout.default", "contiguous.default", "clone.default", "detach.default", "alias.default",
                "lift_fresh_copy.default", "to.dtype", "to.dtype_layout", "to.device", "to.other", "_to_copy.default",
                "type_as.default", "positive.default", "resolve_conj.default", "resolve_neg.default"},
               lower_identity);
}

}  // namespace tinyml::lowering
