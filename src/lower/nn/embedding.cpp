// embedding: GATHER of rows.
#include "lower/registry.h"

namespace tinyml::lowering {
namespace {

void lower_embedding(Lowering& at) {
  at.set_output(at.gather(at.input("weight"), at.input("indices", Type::INT32), 0));
}

}  // namespace

void register_embedding(Registry& registry) { registry.add({"embedding.default"}, lower_embedding); }

}  // namespace tinyml::lowering
