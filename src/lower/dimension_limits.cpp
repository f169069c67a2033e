#include "lower/dimension_limits.h"

namespace tinyml::lowering {

using tflite::Op;

int64_t most_dimensions(Op op) {
  switch (op) {
    case Op::BATCH_MATMUL:
      return 5;
    case Op::SOFTMAX:
    case Op::SPLIT:
    case Op::SPLIT_V:
    case Op::CONCATENATION:
    case Op::SUM:
    case Op::MEAN:
    case Op::FULLY_CONNECTED:
      return 6;
    default:
      return 8;
  }
}

}  // namespace tinyml::lowering
