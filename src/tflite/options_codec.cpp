#include "tflite/options_codec.h"

#include <type_traits>

#include "tinyml/error.h"

namespace tinyml::tflite {
namespace {

// Pairs every field with the file's; `f(ours, theirs)` copies in one of the two directions.
template <class O, class F>
void each_field(Conv2DOptions& o, O& t, F f) {
  f(o.padding, t.padding), f(o.stride_w, t.stride_w), f(o.stride_h, t.stride_h), f(o.activation, t.activation);
  f(o.dilation_w, t.dilation_w), f(o.dilation_h, t.dilation_h);
  f(o.quantized_bias_type, t.quantized_bias_type);
}
template <class O, class F>
void each_field(DepthwiseConv2DOptions& o, O& t, F f) {
  f(o.padding, t.padding), f(o.stride_w, t.stride_w), f(o.stride_h, t.stride_h), f(o.activation, t.activation);
  f(o.depth_multiplier, t.depth_multiplier), f(o.dilation_w, t.dilation_w), f(o.dilation_h, t.dilation_h);
}
template <class O, class F>
void each_field(Conv3DOptions& o, O& t, F f) {
  f(o.padding, t.padding), f(o.activation, t.activation);
  f(o.stride_d, t.stride_d), f(o.stride_w, t.stride_w), f(o.stride_h, t.stride_h);
  f(o.dilation_d, t.dilation_d), f(o.dilation_w, t.dilation_w), f(o.dilation_h, t.dilation_h);
}
template <class O, class F>
void each_field(TransposeConvOptions& o, O& t, F f) {
  f(o.padding, t.padding), f(o.stride_w, t.stride_w), f(o.stride_h, t.stride_h), f(o.activation, t.activation);
  f(o.quantized_bias_type, t.quantized_bias_type);
}
template <class O, class F>
void each_field(Pool2DOptions& o, O& t, F f) {
  f(o.padding, t.padding), f(o.stride_w, t.stride_w), f(o.stride_h, t.stride_h), f(o.activation, t.activation);
  f(o.filter_width, t.filter_width), f(o.filter_height, t.filter_height);
}
template <class O, class F>
void each_field(FullyConnectedOptions& o, O& t, F f) {
  f(o.activation, t.activation), f(o.weights_format, t.weights_format), f(o.keep_num_dims, t.keep_num_dims);
  f(o.asymmetric_quantize_inputs, t.asymmetric_quantize_inputs), f(o.quantized_bias_type, t.quantized_bias_type);
  f(o.quant_spec, t.quant_spec);
}
template <class O, class F>
void each_field(BatchMatMulOptions& o, O& t, F f) {
  f(o.adj_x, t.adj_x), f(o.adj_y, t.adj_y), f(o.asymmetric_quantize_inputs, t.asymmetric_quantize_inputs);
}
template <class O, class F>
void each_field(ArithmeticOptions& o, O& t, F f) {
  f(o.activation, t.activation);
  if constexpr (requires { t.pot_scale_int16; }) f(o.pot_scale_int16, t.pot_scale_int16);
}
template <class O, class F>
void each_field(SoftmaxOptions& o, O& t, F f) {
  f(o.beta, t.beta);
}
template <class O, class F>
void each_field(ConcatenationOptions& o, O& t, F f) {
  f(o.axis, t.axis), f(o.activation, t.activation);
}
template <class O, class F>
void each_field(L2NormOptions& o, O& t, F f) {
  f(o.activation, t.activation);
}
template <class O, class F>
void each_field(LocalResponseNormalizationOptions& o, O& t, F f) {
  f(o.radius, t.radius), f(o.bias, t.bias), f(o.alpha, t.alpha), f(o.beta, t.beta);
}
template <class O, class F>
void each_field(ReshapeOptions& o, O& t, F f) {
  f(o.new_shape, t.new_shape);
}
template <class O, class F>
void each_field(SqueezeOptions& o, O& t, F f) {
  f(o.squeeze_dims, t.squeeze_dims);
}
template <class O, class F>
void each_field(ReducerOptions& o, O& t, F f) {
  f(o.keep_dims, t.keep_dims);
}
template <class O, class F>
void each_field(ResizeBilinearOptions& o, O& t, F f) {
  f(o.align_corners, t.align_corners), f(o.half_pixel_centers, t.half_pixel_centers);
}
template <class O, class F>
void each_field(ResizeNearestNeighborOptions& o, O& t, F f) {
  f(o.align_corners, t.align_corners), f(o.half_pixel_centers, t.half_pixel_centers);
}
template <class O, class F>
void each_field(SpaceToDepthOptions& o, O& t, F f) {
  f(o.block_size, t.block_size);
}
template <class O, class F>
void each_field(DepthToSpaceOptions& o, O& t, F f) {
  f(o.block_size, t.block_size);
}
template <class O, class F>
void each_field(GatherOptions& o, O& t, F f) {
  f(o.axis, t.axis), f(o.batch_dims, t.batch_dims);
}
template <class O, class F>
void each_field(SplitOptions& o, O& t, F f) {
  f(o.num_splits, t.num_splits);
}
template <class O, class F>
void each_field(SplitVOptions& o, O& t, F f) {
  f(o.num_splits, t.num_splits);
}
template <class O, class F>
void each_field(StridedSliceOptions& o, O& t, F f) {
  f(o.begin_mask, t.begin_mask), f(o.end_mask, t.end_mask), f(o.ellipsis_mask, t.ellipsis_mask);
  f(o.new_axis_mask, t.new_axis_mask), f(o.shrink_axis_mask, t.shrink_axis_mask), f(o.offset, t.offset);
}
template <class O, class F>
void each_field(PackOptions& o, O& t, F f) {
  f(o.values_count, t.values_count), f(o.axis, t.axis);
}
template <class O, class F>
void each_field(UnpackOptions& o, O& t, F f) {
  f(o.num, t.num), f(o.axis, t.axis);
}
template <class O, class F>
void each_field(CastOptions& o, O& t, F f) {
  f(o.in_type, t.in_type), f(o.out_type, t.out_type);
}
template <class O, class F>
void each_field(ArgMaxOptions& o, O& t, F f) {
  f(o.output_type, t.output_type);
}
template <class O, class F>
void each_field(ArgMinOptions& o, O& t, F f) {
  f(o.output_type, t.output_type);
}
template <class O, class F>
void each_field(ShapeOptions& o, O& t, F f) {
  f(o.out_type, t.out_type);
}
template <class O, class F>
void each_field(OneHotOptions& o, O& t, F f) {
  f(o.axis, t.axis);
}
template <class O, class F>
void each_field(LeakyReluOptions& o, O& t, F f) {
  f(o.alpha, t.alpha);
}
template <class O, class F>
void each_field(GeluOptions& o, O& t, F f) {
  f(o.approximate, t.approximate);
}
template <class O, class F>
void each_field(MirrorPadOptions& o, O& t, F f) {
  f(o.mode, t.mode);
}
template <class O, class F>
void each_field(CumsumOptions& o, O& t, F f) {
  f(o.exclusive, t.exclusive), f(o.reverse, t.reverse);
}
template <class O, class F>
void each_field(ReverseSequenceOptions& o, O& t, F f) {
  f(o.seq_dim, t.seq_dim), f(o.batch_dim, t.batch_dim);
}
template <class O, class F>
void each_field(FakeQuantOptions& o, O& t, F f) {
  f(o.min, t.min), f(o.max, t.max), f(o.num_bits, t.num_bits), f(o.narrow_range, t.narrow_range);
}
template <class O, class F>
void each_field(LstmOptions& o, O& t, F f) {
  f(o.activation, t.activation), f(o.cell_clip, t.cell_clip), f(o.proj_clip, t.proj_clip), f(o.kernel, t.kernel);
  f(o.asymmetric_quantize_inputs, t.asymmetric_quantize_inputs);
}
template <class O, class F>
void each_field(UnidirectionalSequenceLstmOptions& o, O& t, F f) {
  f(o.activation, t.activation), f(o.cell_clip, t.cell_clip), f(o.proj_clip, t.proj_clip);
  f(o.time_major, t.time_major), f(o.asymmetric_quantize_inputs, t.asymmetric_quantize_inputs);
  f(o.diagonal_recurrent_tensors, t.diagonal_recurrent_tensors);
}
template <class O, class F>
void each_field(BidirectionalSequenceLstmOptions& o, O& t, F f) {
  f(o.activation, t.activation), f(o.cell_clip, t.cell_clip), f(o.proj_clip, t.proj_clip);
  f(o.merge_outputs, t.merge_outputs), f(o.time_major, t.time_major);
  f(o.asymmetric_quantize_inputs, t.asymmetric_quantize_inputs);
}
template <class O, class F>
void each_field(IfOptions& o, O& t, F f) {
  f(o.then_subgraph, t.then_subgraph), f(o.else_subgraph, t.else_subgraph);
}
template <class O, class F>
void each_field(WhileOptions& o, O& t, F f) {
  f(o.cond_subgraph, t.cond_subgraph), f(o.body_subgraph, t.body_subgraph);
}
template <class O, class F>
void each_field(CallOptions& o, O& t, F f) {
  f(o.subgraph, t.subgraph);
}
template <class O, class F>
void each_field(RandomOptions& o, O& t, F f) {
  f(o.seed, t.seed), f(o.seed2, t.seed2);
}

// Calls `f(our default-constructed struct, the file's default-constructed struct)` for the operator's option type.
// Returns false for operators that have no options.
template <class F>
bool visit_option_type(Op op, F f) {
  switch (op) {
#define TINYML_CASE(name, ours, theirs)         \
  case Op::name:                                \
    f(ours##Options{}, fb::theirs##OptionsT{}); \
    return true;
    TINYML_CASE(CONV_2D, Conv2D, Conv2D)
    TINYML_CASE(DEPTHWISE_CONV_2D, DepthwiseConv2D, DepthwiseConv2D)
    TINYML_CASE(CONV_3D, Conv3D, Conv3D)
    TINYML_CASE(CONV_3D_TRANSPOSE, Conv3D, Conv3D)
    TINYML_CASE(TRANSPOSE_CONV, TransposeConv, TransposeConv)
    TINYML_CASE(AVERAGE_POOL_2D, Pool2D, Pool2D)
    TINYML_CASE(MAX_POOL_2D, Pool2D, Pool2D)
    TINYML_CASE(L2_POOL_2D, Pool2D, Pool2D)
    TINYML_CASE(FULLY_CONNECTED, FullyConnected, FullyConnected)
    TINYML_CASE(BATCH_MATMUL, BatchMatMul, BatchMatMul)
    TINYML_CASE(ADD, Arithmetic, Add)
    TINYML_CASE(SUB, Arithmetic, Sub)
    TINYML_CASE(MUL, Arithmetic, Mul)
    TINYML_CASE(DIV, Arithmetic, Div)
    TINYML_CASE(SOFTMAX, Softmax, Softmax)
    TINYML_CASE(CONCATENATION, Concatenation, Concatenation)
    TINYML_CASE(L2_NORMALIZATION, L2Norm, L2Norm)
    TINYML_CASE(LOCAL_RESPONSE_NORMALIZATION, LocalResponseNormalization, LocalResponseNormalization)
    TINYML_CASE(RESHAPE, Reshape, Reshape)
    TINYML_CASE(SQUEEZE, Squeeze, Squeeze)
    TINYML_CASE(MEAN, Reducer, Reducer)
    TINYML_CASE(SUM, Reducer, Reducer)
    TINYML_CASE(REDUCE_PROD, Reducer, Reducer)
    TINYML_CASE(REDUCE_MAX, Reducer, Reducer)
    TINYML_CASE(REDUCE_MIN, Reducer, Reducer)
    TINYML_CASE(REDUCE_ANY, Reducer, Reducer)
    TINYML_CASE(REDUCE_ALL, Reducer, Reducer)
    TINYML_CASE(RESIZE_BILINEAR, ResizeBilinear, ResizeBilinear)
    TINYML_CASE(RESIZE_NEAREST_NEIGHBOR, ResizeNearestNeighbor, ResizeNearestNeighbor)
    TINYML_CASE(SPACE_TO_DEPTH, SpaceToDepth, SpaceToDepth)
    TINYML_CASE(DEPTH_TO_SPACE, DepthToSpace, DepthToSpace)
    TINYML_CASE(GATHER, Gather, Gather)
    TINYML_CASE(SPLIT, Split, Split)
    TINYML_CASE(SPLIT_V, SplitV, SplitV)
    TINYML_CASE(STRIDED_SLICE, StridedSlice, StridedSlice)
    TINYML_CASE(PACK, Pack, Pack)
    TINYML_CASE(UNPACK, Unpack, Unpack)
    TINYML_CASE(CAST, Cast, Cast)
    TINYML_CASE(ARG_MAX, ArgMax, ArgMax)
    TINYML_CASE(ARG_MIN, ArgMin, ArgMin)
    TINYML_CASE(SHAPE, Shape, Shape)
    TINYML_CASE(ONE_HOT, OneHot, OneHot)
    TINYML_CASE(LEAKY_RELU, LeakyRelu, LeakyRelu)
    TINYML_CASE(GELU, Gelu, Gelu)
    TINYML_CASE(MIRROR_PAD, MirrorPad, MirrorPad)
    TINYML_CASE(CUMSUM, Cumsum, Cumsum)
    TINYML_CASE(REVERSE_SEQUENCE, ReverseSequence, ReverseSequence)
    TINYML_CASE(FAKE_QUANT, FakeQuant, FakeQuant)
    TINYML_CASE(LSTM, Lstm, LSTM)
    TINYML_CASE(UNIDIRECTIONAL_SEQUENCE_LSTM, UnidirectionalSequenceLstm, UnidirectionalSequenceLSTM)
    TINYML_CASE(BIDIRECTIONAL_SEQUENCE_LSTM, BidirectionalSequenceLstm, BidirectionalSequenceLSTM)
    TINYML_CASE(IF, If, If)
    TINYML_CASE(WHILE, While, While)
    TINYML_CASE(CALL, Call, Call)
    TINYML_CASE(RANDOM_UNIFORM, Random, Random)
    TINYML_CASE(RANDOM_STANDARD_NORMAL, Random, Random)
    TINYML_CASE(MULTINOMIAL, Random, Random)
#undef TINYML_CASE
    default:
      return false;
  }
}

}  // namespace

fb::BuiltinOptionsUnion encode_options(Op op, const Options& options) {
  fb::BuiltinOptionsUnion result;
  const bool wanted = visit_option_type(op, [&](auto ours, auto theirs) {
    using Ours = decltype(ours);
    if (const Ours* given = std::get_if<Ours>(&options)) {
      ours = *given;
    } else if (!std::holds_alternative<std::monostate>(options)) {
      throw Error("operator " + std::string(to_string(op)) + " carries the options of another operator");
    }
    each_field(ours, theirs, [](const auto& from, auto& to) {
      if constexpr (requires { to = from; }) {
        to = from;
      } else {
        to = static_cast<std::remove_reference_t<decltype(to)>>(from);
      }
    });
    result.Set(std::move(theirs));
  });
  if (!wanted && !std::holds_alternative<std::monostate>(options)) {
    throw Error("operator " + std::string(to_string(op)) + " has no options");
  }
  return result;
}

Options decode_options(Op op, const fb::BuiltinOptionsUnion& table) {
  Options result;
  visit_option_type(op, [&](auto ours, auto theirs) {
    using Theirs = decltype(theirs);
    if (table.type == fb::BuiltinOptionsTraits<typename Theirs::TableType>::enum_value && table.value != nullptr) {
      theirs = *static_cast<const Theirs*>(table.value);
      each_field(ours, theirs, [](auto& to, const auto& from) {
        if constexpr (requires { to = from; }) {
          to = from;
        } else {
          to = static_cast<std::remove_reference_t<decltype(to)>>(from);
        }
      });
    } else if (table.type != fb::BuiltinOptions::NONE) {
      throw Error("operator " + std::string(to_string(op)) + " carries the options of another operator");
    }
    result = ours;
  });
  return result;
}

bool has_options(Op op) {
  return visit_option_type(op, [](auto, auto) {});
}

Options default_options(Op op) {
  Options result;
  visit_option_type(op, [&](auto ours, auto) { result = ours; });
  return result;
}

}  // namespace tinyml::tflite
