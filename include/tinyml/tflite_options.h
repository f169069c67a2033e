// The options of the TFLite operators, as plain comparable values. Fields and defaults are those of the format,
// except that strides, filter sizes and the like start at the only sensible value, 1.
// An operator that has no struct here (PAD, TRANSPOSE, MAXIMUM, ...) has no options: std::monostate.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "tinyml/tflite_ops.h"

namespace tinyml::tflite {

#define TINYML_TFLITE_EQUAL(type) bool operator==(const type&) const = default

struct Conv2DOptions {  // CONV_2D
  Padding padding = Padding::VALID;
  int32_t stride_w = 1, stride_h = 1;
  Activation activation = Activation::NONE;
  int32_t dilation_w = 1, dilation_h = 1;
  Type quantized_bias_type = Type::FLOAT32;  ///< FLOAT32: not said.
  TINYML_TFLITE_EQUAL(Conv2DOptions);
};
struct DepthwiseConv2DOptions {  // DEPTHWISE_CONV_2D
  Padding padding = Padding::VALID;
  int32_t stride_w = 1, stride_h = 1, depth_multiplier = 1;
  Activation activation = Activation::NONE;
  int32_t dilation_w = 1, dilation_h = 1;
  TINYML_TFLITE_EQUAL(DepthwiseConv2DOptions);
};
struct Conv3DOptions {  // CONV_3D, CONV_3D_TRANSPOSE
  Padding padding = Padding::VALID;
  int32_t stride_d = 1, stride_w = 1, stride_h = 1;
  Activation activation = Activation::NONE;
  int32_t dilation_d = 1, dilation_w = 1, dilation_h = 1;
  TINYML_TFLITE_EQUAL(Conv3DOptions);
};
struct TransposeConvOptions {  // TRANSPOSE_CONV
  Padding padding = Padding::VALID;
  int32_t stride_w = 1, stride_h = 1;
  Activation activation = Activation::NONE;
  Type quantized_bias_type = Type::FLOAT32;  ///< FLOAT32: not said.
  TINYML_TFLITE_EQUAL(TransposeConvOptions);
};
struct Pool2DOptions {  // AVERAGE_POOL_2D, MAX_POOL_2D, L2_POOL_2D
  Padding padding = Padding::VALID;
  int32_t stride_w = 1, stride_h = 1, filter_width = 1, filter_height = 1;
  Activation activation = Activation::NONE;
  TINYML_TFLITE_EQUAL(Pool2DOptions);
};
struct FullyConnectedOptions {  // FULLY_CONNECTED
  Activation activation = Activation::NONE;
  WeightsFormat weights_format = WeightsFormat::DEFAULT;
  bool keep_num_dims = false, asymmetric_quantize_inputs = false;
  Type quantized_bias_type = Type::FLOAT32;  ///< FLOAT32: not said.
  std::vector<uint8_t> quant_spec = {};      ///< From the file; nothing here reads it.
  TINYML_TFLITE_EQUAL(FullyConnectedOptions);
};
struct BatchMatMulOptions {  // BATCH_MATMUL
  bool adj_x = false, adj_y = false, asymmetric_quantize_inputs = false;
  TINYML_TFLITE_EQUAL(BatchMatMulOptions);
};
// ADD, SUB, MUL, DIV: `pot_scale_int16` means something for ADD and SUB only.
struct ArithmeticOptions {
  Activation activation = Activation::NONE;
  bool pot_scale_int16 = true;
  TINYML_TFLITE_EQUAL(ArithmeticOptions);
};
struct SoftmaxOptions {  // SOFTMAX, always over the last dimension
  float beta = 1.0F;
  TINYML_TFLITE_EQUAL(SoftmaxOptions);
};
struct ConcatenationOptions {  // CONCATENATION
  int32_t axis = 0;
  Activation activation = Activation::NONE;
  TINYML_TFLITE_EQUAL(ConcatenationOptions);
};
struct L2NormOptions {  // L2_NORMALIZATION, over the last dimension
  Activation activation = Activation::NONE;
  TINYML_TFLITE_EQUAL(L2NormOptions);
};
struct LocalResponseNormalizationOptions {  // LOCAL_RESPONSE_NORMALIZATION
  int32_t radius = 0;
  float bias = 0, alpha = 0, beta = 0;
  TINYML_TFLITE_EQUAL(LocalResponseNormalizationOptions);
};
// RESHAPE. The writer fills it from the output's shape when it is empty.
struct ReshapeOptions {
  std::vector<int32_t> new_shape;
  TINYML_TFLITE_EQUAL(ReshapeOptions);
};
struct SqueezeOptions {  // SQUEEZE
  std::vector<int32_t> squeeze_dims;
  TINYML_TFLITE_EQUAL(SqueezeOptions);
};
struct ReducerOptions {  // MEAN, SUM, REDUCE_*
  bool keep_dims = false;
  TINYML_TFLITE_EQUAL(ReducerOptions);
};
struct ResizeBilinearOptions {  // RESIZE_BILINEAR
  bool align_corners = false, half_pixel_centers = false;
  TINYML_TFLITE_EQUAL(ResizeBilinearOptions);
};
struct ResizeNearestNeighborOptions {  // RESIZE_NEAREST_NEIGHBOR
  bool align_corners = false, half_pixel_centers = false;
  TINYML_TFLITE_EQUAL(ResizeNearestNeighborOptions);
};
struct SpaceToDepthOptions {  // SPACE_TO_DEPTH
  int32_t block_size = 1;
  TINYML_TFLITE_EQUAL(SpaceToDepthOptions);
};
struct DepthToSpaceOptions {  // DEPTH_TO_SPACE
  int32_t block_size = 1;
  TINYML_TFLITE_EQUAL(DepthToSpaceOptions);
};
struct GatherOptions {  // GATHER
  int32_t axis = 0, batch_dims = 0;
  TINYML_TFLITE_EQUAL(GatherOptions);
};
struct SplitOptions {  // SPLIT
  int32_t num_splits = 0;
  TINYML_TFLITE_EQUAL(SplitOptions);
};
struct SplitVOptions {  // SPLIT_V
  int32_t num_splits = 0;
  TINYML_TFLITE_EQUAL(SplitVOptions);
};
struct StridedSliceOptions {  // STRIDED_SLICE
  int32_t begin_mask = 0, end_mask = 0, ellipsis_mask = 0, new_axis_mask = 0, shrink_axis_mask = 0;
  bool offset = false;
  TINYML_TFLITE_EQUAL(StridedSliceOptions);
};
struct PackOptions {  // PACK
  int32_t values_count = 0, axis = 0;
  TINYML_TFLITE_EQUAL(PackOptions);
};
struct UnpackOptions {  // UNPACK
  int32_t num = 0, axis = 0;
  TINYML_TFLITE_EQUAL(UnpackOptions);
};
struct CastOptions {  // CAST
  Type in_type = Type::FLOAT32, out_type = Type::FLOAT32;
  TINYML_TFLITE_EQUAL(CastOptions);
};
struct ArgMaxOptions {  // ARG_MAX
  Type output_type = Type::INT64;
  TINYML_TFLITE_EQUAL(ArgMaxOptions);
};
struct ArgMinOptions {  // ARG_MIN
  Type output_type = Type::INT64;
  TINYML_TFLITE_EQUAL(ArgMinOptions);
};
struct ShapeOptions {  // SHAPE
  Type out_type = Type::INT32;
  TINYML_TFLITE_EQUAL(ShapeOptions);
};
struct OneHotOptions {  // ONE_HOT
  int32_t axis = -1;
  TINYML_TFLITE_EQUAL(OneHotOptions);
};
struct LeakyReluOptions {  // LEAKY_RELU
  float alpha = 0;
  TINYML_TFLITE_EQUAL(LeakyReluOptions);
};
struct GeluOptions {  // GELU: approximate is the tanh form
  bool approximate = false;
  TINYML_TFLITE_EQUAL(GeluOptions);
};
struct MirrorPadOptions {  // MIRROR_PAD
  MirrorPadMode mode = MirrorPadMode::REFLECT;
  TINYML_TFLITE_EQUAL(MirrorPadOptions);
};
struct CumsumOptions {  // CUMSUM
  bool exclusive = false, reverse = false;
  TINYML_TFLITE_EQUAL(CumsumOptions);
};
struct ReverseSequenceOptions {  // REVERSE_SEQUENCE
  int32_t seq_dim = 0, batch_dim = 0;
  TINYML_TFLITE_EQUAL(ReverseSequenceOptions);
};
struct FakeQuantOptions {  // FAKE_QUANT
  float min = 0, max = 0;
  int32_t num_bits = 8;
  bool narrow_range = false;
  TINYML_TFLITE_EQUAL(FakeQuantOptions);
};
struct LstmOptions {  // LSTM
  Activation activation = Activation::TANH;
  float cell_clip = 0, proj_clip = 0;
  LstmKernel kernel = LstmKernel::FULL;
  bool asymmetric_quantize_inputs = false;
  TINYML_TFLITE_EQUAL(LstmOptions);
};
struct UnidirectionalSequenceLstmOptions {  // UNIDIRECTIONAL_SEQUENCE_LSTM
  Activation activation = Activation::TANH;
  float cell_clip = 0, proj_clip = 0;
  bool time_major = false, asymmetric_quantize_inputs = false, diagonal_recurrent_tensors = false;
  TINYML_TFLITE_EQUAL(UnidirectionalSequenceLstmOptions);
};
struct BidirectionalSequenceLstmOptions {  // BIDIRECTIONAL_SEQUENCE_LSTM
  Activation activation = Activation::TANH;
  float cell_clip = 0, proj_clip = 0;
  bool merge_outputs = false, time_major = true, asymmetric_quantize_inputs = false;
  TINYML_TFLITE_EQUAL(BidirectionalSequenceLstmOptions);
};
struct IfOptions {  // IF
  int32_t then_subgraph = 0, else_subgraph = 0;
  TINYML_TFLITE_EQUAL(IfOptions);
};
struct WhileOptions {  // WHILE
  int32_t cond_subgraph = 0, body_subgraph = 0;
  TINYML_TFLITE_EQUAL(WhileOptions);
};
struct CallOptions {  // CALL
  uint32_t subgraph = 0;
  TINYML_TFLITE_EQUAL(CallOptions);
};
struct RandomOptions {  // RANDOM_UNIFORM, RANDOM_STANDARD_NORMAL, MULTINOMIAL
  int64_t seed = 0, seed2 = 0;
  TINYML_TFLITE_EQUAL(RandomOptions);
};
#undef TINYML_TFLITE_EQUAL

/// Options of an operator that this project never makes, as the file has them: a flatbuffer with an Operator table
/// that has nothing but its options. They go back into the file untouched.
struct CarriedOptions {
  std::vector<uint8_t> table;
  bool operator==(const CarriedOptions&) const = default;
};

using Options =
    std::variant<std::monostate, Conv2DOptions, DepthwiseConv2DOptions, Conv3DOptions, TransposeConvOptions,
                 Pool2DOptions, FullyConnectedOptions, BatchMatMulOptions, ArithmeticOptions, SoftmaxOptions,
                 ConcatenationOptions, L2NormOptions, LocalResponseNormalizationOptions, ReshapeOptions, SqueezeOptions,
                 ReducerOptions, ResizeBilinearOptions, ResizeNearestNeighborOptions, SpaceToDepthOptions,
                 DepthToSpaceOptions, GatherOptions, SplitOptions, SplitVOptions, StridedSliceOptions, PackOptions,
                 UnpackOptions, CastOptions, ArgMaxOptions, ArgMinOptions, ShapeOptions, OneHotOptions,
                 LeakyReluOptions, GeluOptions, MirrorPadOptions, CumsumOptions, ReverseSequenceOptions,
                 FakeQuantOptions, LstmOptions, UnidirectionalSequenceLstmOptions, BidirectionalSequenceLstmOptions,
                 IfOptions, WhileOptions, CallOptions, RandomOptions, CarriedOptions>;

}  // namespace tinyml::tflite
