#include "tflite/versions.h"

#include <algorithm>

namespace tinyml::tflite {
namespace {

// Operators whose version depends on the first input's type alone.
struct TypeVersions {
  Op op;
  int int8, int16;
};
constexpr TypeVersions kTypeVersions[] = {
    {Op::AVERAGE_POOL_2D, 2, 3},
    {Op::MAX_POOL_2D, 2, 3},
    {Op::CONCATENATION, 2, 3},
    {Op::SOFTMAX, 2, 3},
    {Op::LOGISTIC, 2, 3},
    {Op::TANH, 2, 3},
    {Op::MEAN, 2, 3},
    {Op::SUM, 2, 3},
    {Op::REDUCE_MAX, 2, 3},
    {Op::REDUCE_MIN, 2, 3},
    {Op::REDUCE_PROD, 2, 2},
    {Op::PACK, 2, 3},
    {Op::UNPACK, 2, 4},
    {Op::L2_NORMALIZATION, 2, 2},
    {Op::LOG_SOFTMAX, 2, 2},
    {Op::DEPTH_TO_SPACE, 2, 2},
    {Op::SPACE_TO_DEPTH, 2, 2},
    {Op::SPACE_TO_BATCH_ND, 2, 3},
    {Op::BATCH_TO_SPACE_ND, 2, 3},
    {Op::RELU, 2, 3},
    {Op::RELU6, 2, 3},
    {Op::RELU_N1_TO_1, 1, 1},
    {Op::LEAKY_RELU, 1, 2},
    {Op::ABS, 2, 3},
    {Op::RSQRT, 2, 3},
    {Op::EXP, 2, 2},
    {Op::LOG, 2, 2},
    {Op::SQUARED_DIFFERENCE, 2, 2},
    {Op::ARG_MAX, 2, 2},
    {Op::ARG_MIN, 2, 2},
    {Op::LESS, 2, 2},
    {Op::LESS_EQUAL, 2, 2},
    {Op::GREATER, 2, 2},
    {Op::GREATER_EQUAL, 2, 2},
    {Op::EQUAL, 2, 2},
    {Op::NOT_EQUAL, 2, 2},
    {Op::GELU, 2, 2},
    {Op::TILE, 3, 3},
    {Op::FILL, 3, 3},
    {Op::MIRROR_PAD, 2, 3},
    {Op::SELECT, 2, 2},
    {Op::BATCH_MATMUL, 2, 3},
    {Op::GATHER, 2, 4},
    {Op::TOPK_V2, 2, 3},
};

struct Features {
  const Subgraph& subgraph;
  const Operator& op;

  const Tensor* input(size_t i) const {
    if (i >= op.inputs.size() || op.inputs[i] < 0) return nullptr;
    return &subgraph.tensors[static_cast<size_t>(op.inputs[i])];
  }
  Type type(size_t i = 0) const { return input(i) != nullptr ? input(i)->type : Type::FLOAT32; }
  Type output_type() const {
    return op.outputs.empty() ? Type::FLOAT32 : subgraph.tensors[static_cast<size_t>(op.outputs[0])].type;
  }
  int rank(size_t i = 0) const { return input(i) != nullptr ? input(i)->rank() : 0; }
  bool per_channel(size_t i) const { return input(i) != nullptr && input(i)->quantization.per_channel(); }
  bool hybrid() const { return type(0) == Type::FLOAT32 && is_quantizable(type(1)); }
  bool broadcasts_beyond_4d() const {
    if (input(0) == nullptr || input(1) == nullptr) return false;
    return std::max(rank(0), rank(1)) > 4 && input(0)->shape != input(1)->shape;
  }
};

int convolution_version(const Features& f) {
  const Tensor* x = f.input(0);
  const Tensor* weights = f.input(1);
  if (x == nullptr || weights == nullptr || x->rank() != 4 || weights->rank() != 4) return 1;
  if (weights->type == Type::INT4) return 7;
  if (weights->shape[3] != 0 && x->shape[3] != weights->shape[3]) return 6;
  if (x->type == Type::INT16) return 4;
  if (x->type == Type::INT8) return 3;
  if (f.hybrid()) return f.per_channel(1) ? 5 : 2;
  return 1;
}

int depthwise_version(const Features& f) {
  if (f.type(1) == Type::INT4) return 7;
  if (f.type() == Type::INT16) return 5;
  if (f.type() == Type::INT8) return 3;
  if (f.hybrid()) return f.per_channel(1) ? 6 : 4;
  const auto* options = std::get_if<DepthwiseConv2DOptions>(&f.op.options);
  return options != nullptr && (options->dilation_w != 1 || options->dilation_h != 1) ? 2 : 1;
}

int fully_connected_version(const Features& f) {
  const auto* options = std::get_if<FullyConnectedOptions>(&f.op.options);
  if (f.type(1) == Type::INT4) return 10;
  if (f.hybrid() && f.per_channel(1)) return 12;
  if (options != nullptr && f.hybrid() && options->asymmetric_quantize_inputs) return 9;
  if (f.type() == Type::INT16) return 7;
  if (f.op.inputs.size() == 2) return 6;
  if (options != nullptr && options->keep_num_dims) return 5;
  if (f.type() == Type::INT8) return 4;
  if (f.hybrid()) return 3;
  return options != nullptr && options->weights_format != WeightsFormat::DEFAULT ? 2 : 1;
}

int transpose_conv_version(const Features& f) {
  const auto* options = std::get_if<TransposeConvOptions>(&f.op.options);
  if (options != nullptr && options->activation != Activation::NONE) return 4;
  if (f.op.inputs.size() == 4 && f.op.inputs[3] != kNoTensor) return 3;
  return f.type(2) == Type::INT8 ? 2 : 1;
}

int multiplication_version(const Features& f) {
  if (f.type() == Type::INT64) return 6;
  if (f.type() == Type::INT16) return 4;
  if (f.type() == Type::INT8 && !f.op.outputs.empty()) {
    const auto scale = [](const Tensor& t) { return t.quantization.empty() ? 1.0F : t.quantization.scale[0]; };
    const Tensor& out = f.subgraph.tensors[static_cast<size_t>(f.op.outputs[0])];
    const bool rescales_up = f.input(1) != nullptr && scale(*f.input(0)) * scale(*f.input(1)) / scale(out) >= 1.0F;
    return rescales_up ? 3 : 2;
  }
  return 1;
}

template <class O>
int resize_version(const Features& f) {
  const auto* options = std::get_if<O>(&f.op.options);
  if (f.type() == Type::INT16) return 4;
  if (options != nullptr && (options->half_pixel_centers || options->align_corners)) return 3;
  return f.type() == Type::INT8 ? 2 : 1;
}

}  // namespace

int operator_version(const Subgraph& subgraph, const Operator& op) {
  const Features f{subgraph, op};
  const bool int8 = f.type() == Type::INT8;
  const bool int16 = f.type() == Type::INT16;
  switch (op.op) {
    case Op::CONV_2D:
      return convolution_version(f);
    case Op::DEPTHWISE_CONV_2D:
      return depthwise_version(f);
    case Op::FULLY_CONNECTED:
      return fully_connected_version(f);
    case Op::TRANSPOSE_CONV:
      return transpose_conv_version(f);
    case Op::MUL:
      return multiplication_version(f);
    case Op::ADD:
      return f.type() == Type::INT64 ? 4 : int16 ? 3 : int8 ? 2 : 1;
    case Op::SUB:
      return int16 ? 5 : f.type() == Type::INT64 ? 4 : f.broadcasts_beyond_4d() ? 3 : int8 ? 2 : 1;
    case Op::DIV:
      return f.broadcasts_beyond_4d() ? 2 : 1;
    case Op::MAXIMUM:
    case Op::MINIMUM:
      return int16 ? 4 : f.broadcasts_beyond_4d() ? 3 : int8 ? 2 : 1;
    case Op::RESIZE_BILINEAR:
      return resize_version<ResizeBilinearOptions>(f);
    case Op::RESIZE_NEAREST_NEIGHBOR:
      return resize_version<ResizeNearestNeighborOptions>(f);
    case Op::PAD:
    case Op::PADV2:
      return f.rank() > 4 ? (int16 ? 4 : 3) : int16 ? 3 : int8 ? 2 : 1;
    case Op::SLICE:
      return f.rank() > 4 ? 5 : int16 ? 4 : int8 ? 2 : 1;
    case Op::STRIDED_SLICE: {
      const auto* options = std::get_if<StridedSliceOptions>(&op.options);
      if (options != nullptr && options->offset) return 8;
      return f.rank() > 4 ? 4 : f.type() == Type::BOOL ? 3 : int8 || int16 ? 2 : 1;
    }
    case Op::TRANSPOSE:
      return f.rank() > 5 ? 6 : f.rank() > 4 ? 4 : f.type() == Type::BOOL ? 3 : int16 ? 5 : int8 ? 2 : 1;
    case Op::SPLIT:
      return f.type(1) == Type::INT16 ? 4 : f.type(1) == Type::INT32 ? 3 : f.type(1) == Type::INT8 ? 2 : 1;
    case Op::SPLIT_V:
      return int8 || int16 ? 2 : 1;
    case Op::DEQUANTIZE:
      return f.per_channel(0) ? 5 : int16 ? 4 : f.type() == Type::FLOAT16 ? 3 : int8 ? 2 : 1;
    case Op::QUANTIZE:
      return int16 || f.output_type() == Type::INT16 ? 2 : 1;
    case Op::EMBEDDING_LOOKUP:
      return f.type(1) == Type::INT4 || f.per_channel(1) ? 4 : 1;
    case Op::BROADCAST_TO:
      return int8 || int16 ? 3 : 2;
    case Op::SELECT_V2:
      return 1;
    default:
      break;
  }
  const auto* entry = std::find_if(std::begin(kTypeVersions), std::end(kTypeVersions),
                                   [&](const TypeVersions& row) { return row.op == op.op; });
  if (entry == std::end(kTypeVersions)) return std::max(1, op.version);
  return int16 ? entry->int16 : int8 ? entry->int8 : 1;
}

}  // namespace tinyml::tflite
