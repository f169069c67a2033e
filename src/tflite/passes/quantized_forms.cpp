#include "tflite/passes/quantized_forms.h"

#include <algorithm>

#include "tinyml/error.h"

namespace tinyml::tflite {
namespace {

struct Row {
  Op op;
  QuantizedForm form;
};

// LiteRT with XNNPACK. XNNPACK runs chains of float operators between one 8-bit tensor and another as a table of 256
// entries; its own INT8 kernels cover the operators named here, and the builtin INT8 kernels of the others are slower
// than a float island (AVERAGE_POOL_2D, SOFTMAX, HARD_SWISH, PRELU, BATCH_MATMUL, DIV, ...).
constexpr Row kLitert[] = {
    {Op::CONV_2D, QuantizedForm::kArithmetic},
    {Op::DEPTHWISE_CONV_2D, QuantizedForm::kArithmetic},
    {Op::TRANSPOSE_CONV, QuantizedForm::kArithmetic},
    {Op::FULLY_CONNECTED, QuantizedForm::kArithmetic},
    {Op::ADD, QuantizedForm::kArithmetic},
    {Op::SUB, QuantizedForm::kArithmetic},
    {Op::MUL, QuantizedForm::kArithmetic},
    {Op::MEAN, QuantizedForm::kArithmetic},
    {Op::LEAKY_RELU, QuantizedForm::kArithmetic},
    {Op::RESIZE_BILINEAR, QuantizedForm::kSameScale},
    {Op::LOGISTIC, QuantizedForm::kFixedScale},
    {Op::TANH, QuantizedForm::kFixedScale},
    {Op::RESHAPE, QuantizedForm::kMovement},
    {Op::TRANSPOSE, QuantizedForm::kMovement},
    {Op::SLICE, QuantizedForm::kMovement},
    {Op::STRIDED_SLICE, QuantizedForm::kMovement},
    {Op::SPLIT, QuantizedForm::kMovement},
    {Op::SPLIT_V, QuantizedForm::kMovement},
    {Op::UNPACK, QuantizedForm::kMovement},
    {Op::GATHER, QuantizedForm::kMovement},
    {Op::MAX_POOL_2D, QuantizedForm::kMovement},
    {Op::PAD, QuantizedForm::kMovement},
    {Op::PADV2, QuantizedForm::kMovement},
    {Op::MIRROR_PAD, QuantizedForm::kMovement},
    {Op::TILE, QuantizedForm::kMovement},
    {Op::SPACE_TO_DEPTH, QuantizedForm::kMovement},
    {Op::DEPTH_TO_SPACE, QuantizedForm::kMovement},
    {Op::RESIZE_NEAREST_NEIGHBOR, QuantizedForm::kMovement},
    {Op::REDUCE_MAX, QuantizedForm::kMovement},
    {Op::REDUCE_MIN, QuantizedForm::kMovement},
    {Op::CONCATENATION, QuantizedForm::kGathering},
    {Op::PACK, QuantizedForm::kGathering},
};

}  // namespace

QuantizedForm quantized_form(Target target, Op op) {
  TINYML_CHECK(target == Target::kLitert);
  const auto* row = std::find_if(std::begin(kLitert), std::end(kLitert), [&](const Row& r) { return r.op == op; });
  return row == std::end(kLitert) ? QuantizedForm::kIsland : row->form;
}

FixedScale fixed_output_scale(Op op) {
  switch (op) {
    case Op::LOGISTIC:
    case Op::SOFTMAX:
      return {1.0F / 256, -128};
    case Op::TANH:
    case Op::L2_NORMALIZATION:
      return {1.0F / 128, 0};
    case Op::LOG_SOFTMAX:
      return {16.0F / 256, 127};
    default:
      TINYML_CHECK(false);
      return {};
  }
}

}  // namespace tinyml::tflite
