// softmax and log_softmax, which TFLite has for the last dimension.
#include "lower/registry.h"

namespace tinyml::lowering {
namespace {

template <Op op>
void lower_softmax(Lowering& at) {
  const TensorId x = at.input("self", Type::FLOAT32);
  tflite::Options options;
  if (op == Op::SOFTMAX) options = tflite::SoftmaxOptions{};
  if (at.rank(x) == 0) return at.set_output(at.reshape(at.unary(op, at.reshape(x, {1}), options), {}));
  Sizes order;
  for (int64_t i = 0; i < at.rank(x); ++i) order.push_back(i);
  std::swap(order[static_cast<size_t>(at.axis("dim", at.rank(x)))], order.back());
  at.set_output(at.transpose(at.unary(op, at.transpose(x, order), options), order));
}

}  // namespace

void register_softmax(Registry& registry) {
  registry.add({"softmax.int", "_softmax.default", "special_softmax.default"}, lower_softmax<Op::SOFTMAX>);
  registry.add({"log_softmax.int", "_log_softmax.default", "special_log_softmax.default"},
               lower_softmax<Op::LOG_SOFTMAX>);
}

}  // namespace tinyml::lowering
