// Arm Ethos-U behind Vela: the operators that its compiler places on the NPU, with the types it takes there. The limits
// of each are in ethos_u_limits.cpp. Source: SUPPORTED_OPS.md, which Vela's --supported-ops-report writes.
#include "tflite/targets/target_table.h"

namespace tinyml::tflite {
namespace {

constexpr TargetRow kRows[] = {
    {Op::CONV_2D, kBytes | kI16, QuantizedForm::kArithmetic},
    {Op::DEPTHWISE_CONV_2D, kBytes | kI16, QuantizedForm::kArithmetic},
    {Op::TRANSPOSE_CONV, kBytes | kI16, QuantizedForm::kArithmetic},
    {Op::FULLY_CONNECTED, kBytes | kI16, QuantizedForm::kArithmetic},
    {Op::ADD, kBytes | kI16 | kI32, QuantizedForm::kArithmetic},
    {Op::SUB, kBytes | kI16 | kI32, QuantizedForm::kArithmetic},
    {Op::MUL, kBytes | kI16 | kI32, QuantizedForm::kArithmetic},
    {Op::SQUARED_DIFFERENCE, kBytes | kI16, QuantizedForm::kArithmetic},
    {Op::MEAN, kBytes | kI16, QuantizedForm::kArithmetic},
    {Op::LEAKY_RELU, kBytes | kI16, QuantizedForm::kArithmetic},
    {Op::PRELU, kBytes | kI16, QuantizedForm::kArithmetic},
    {Op::HARD_SWISH, kBytes, QuantizedForm::kArithmetic},
    {Op::RELU, kBytes | kI16, QuantizedForm::kArithmetic},
    {Op::RELU6, kBytes | kI16, QuantizedForm::kArithmetic},
    {Op::RELU_N1_TO_1, kBytes | kI16, QuantizedForm::kArithmetic},
    {Op::ABS, kBytes | kI16, QuantizedForm::kArithmetic},
    {Op::RSQRT, kI8, QuantizedForm::kArithmetic},
    {Op::RESIZE_BILINEAR, kBytes | kI16, QuantizedForm::kSameScale},
    {Op::AVERAGE_POOL_2D, kBytes | kI16, QuantizedForm::kSameScale},
    {Op::MAXIMUM, kBytes | kI16, QuantizedForm::kGathering},
    {Op::MINIMUM, kBytes | kI16, QuantizedForm::kGathering},
    {Op::LOGISTIC, kBytes | kI16, QuantizedForm::kFixedScale},
    {Op::TANH, kBytes | kI16, QuantizedForm::kFixedScale},
    {Op::SOFTMAX, kBytes | kI16, QuantizedForm::kFixedScale},
    {Op::RESHAPE, kBytes | kI16, QuantizedForm::kMovement},
    {Op::SQUEEZE, kBytes | kI16},
    {Op::EXPAND_DIMS, kBytes | kI16},
    {Op::TRANSPOSE, kBytes | kI16 | kI32, QuantizedForm::kMovement},
    {Op::SLICE, kBytes | kI16, QuantizedForm::kMovement},
    {Op::STRIDED_SLICE, kBytes | kI16, QuantizedForm::kMovement},
    {Op::SPLIT, kBytes | kI16, QuantizedForm::kMovement},
    {Op::SPLIT_V, kBytes | kI16, QuantizedForm::kMovement},
    {Op::UNPACK, kBytes | kI16, QuantizedForm::kMovement},
    {Op::MAX_POOL_2D, kBytes | kI16, QuantizedForm::kMovement},
    {Op::PAD, kBytes | kI16, QuantizedForm::kMovement},
    {Op::RESIZE_NEAREST_NEIGHBOR, kBytes | kI16, QuantizedForm::kMovement},
    {Op::CONCATENATION, kBytes | kI16, QuantizedForm::kGathering},
    {Op::PACK, kBytes | kI16, QuantizedForm::kGathering},
    {Op::QUANTIZE, kBytes | kI16},
    {Op::ARG_MAX, kBytes},
    {Op::UNIDIRECTIONAL_SEQUENCE_LSTM, kI8 | kI16},
    {Op::SHAPE, kAny},
};

}  // namespace

std::span<const TargetRow> ethos_u_table() { return kRows; }

}  // namespace tinyml::tflite
