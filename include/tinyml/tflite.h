// The TFLite level: what the runtime executes, as plain values, with the functions that read, write, check and
// optimise it.
//
// Two forms of one type
// ---------------------
// *Physical form*: what a file holds; every operator means what TFLite says, activations NHWC.
// *Logical form*: what lowering emits; every tensor has PyTorch's dimension order (images NCHW). No operator is written
// transposed; `assign_layout` turns logical form into physical form. The conventions of the logical form:
//
// - Operators with a fixed dimension order carry `Operator::channels_first = true` and are read as follows, with bias
//   vectors of one dimension; a missing bias is added as zeros:
//     CONV_2D            x NCHW, weights O(C/groups)HW, bias [O]. Groups follow from the weights; depthwise
//     convolutions
//                        are emitted as CONV_2D too and become DEPTHWISE_CONV_2D where TFLite has it.
//     TRANSPOSE_CONV     inputs {output_shape int32[4] in logical order NCHW, weights IOHW, x NCHW, bias [O]}; one
//                        group; padding VALID: the full output (H - 1) * stride + kernel, followed by a SLICE for
//                        PyTorch's padding and a PAD for output_padding beyond it. SAME is found by a pass.
//     CONV_3D            x NCDHW, weights OIDHW.      CONV_3D_TRANSPOSE: output_shape NCDHW, weights IODHW.
//     MAX_POOL_2D, AVERAGE_POOL_2D, L2_POOL_2D       x NCHW.
//     RESIZE_BILINEAR, RESIZE_NEAREST_NEIGHBOR       x NCHW, size int32[2] = {height, width}.
//     DEPTH_TO_SPACE, SPACE_TO_DEPTH                 x NCHW; channels counted as TFLite does, block offsets outermost
//                        (channel = (block_y * block + block_x) * C + c). PyTorch's pixel_shuffle has c outermost:
//                        reorder the producer's channels, or write RESHAPE, TRANSPOSE, RESHAPE.
//   One-dimensional convolution and pooling: RESHAPE [N,C,L] to [N,C,1,L], the 2-D operator, RESHAPE back (free).
// - Padding: a PAD (convolution, zero) or PADV2 (max pooling, lowest value) before an operator with padding VALID.
// Passes
//   turn it into SAME where that is equal. AVERAGE_POOL_2D after a PAD counts the padding; with SAME it does not.
// - Every other operator is written as TFLite defines it with axes, begins, sizes, paddings and permutations in the
//   tensors' logical order and `channels_first = false`: element-wise operators with NumPy broadcasting, CONCATENATION,
//   SPLIT, SLICE, STRIDED_SLICE, PAD, MEAN, RESHAPE (of the logical order), TRANSPOSE (never avoided by the lowering:
//   a permute costs nothing when the layout absorbs it), GATHER, ...
// - Operators over the last dimension (FULLY_CONNECTED with weights [out, in], SOFTMAX, LOG_SOFTMAX,
//   L2_NORMALIZATION, BATCH_MATMUL) get a TRANSPOSE before and after for another dimension; it costs nothing when
//   absorbed.
// - FakeQuant is QUANTIZE (to an INT8 tensor that carries scale and zero point) followed by DEQUANTIZE, for weights
//   too: constant, QUANTIZE (per channel: `quantized_dimension` of the logical order), DEQUANTIZE.
// - Activations are separate operators (RELU, RELU6, HARD_SWISH, ...); passes fuse them.
// - Bias, scale and other constants of element-wise operators may have any broadcastable shape ([C,1,1] for channels).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "tinyml/tflite_ops.h"
#include "tinyml/tflite_options.h"

namespace tinyml::tflite {

using Shape = std::vector<int32_t>;

/// Immutable shared bytes. A buffer may alias memory owned by something else (a mapped file), so weights need no copy.
class Buffer {
 public:
  Buffer() = default;
  /// Bytes at `data` that live as long as `owner` does.
  static Buffer alias(std::shared_ptr<const void> owner, const void* data, size_t size);
  static Buffer copy_of(const void* data, size_t size);
  /// Takes over the vector's storage.
  template <typename T>
  static Buffer of(std::vector<T> values) {
    auto owner = std::make_shared<const std::vector<T>>(std::move(values));
    return alias(owner, owner->data(), owner->size() * sizeof(T));
  }

  bool empty() const { return size_ == 0; }
  size_t size() const { return size_; }
  const std::byte* data() const { return data_; }
  /// The bytes as an array of T; throws Error when they are not aligned for T. A rest smaller than T is left out.
  template <typename T>
  std::span<const T> as() const {
    check_alignment(alignof(T));
    return {reinterpret_cast<const T*>(data_), size_ / sizeof(T)};
  }
  /// Same bytes in the same place (not a comparison of contents).
  bool same_storage(const Buffer& other) const { return data_ == other.data_ && size_ == other.size_; }

 private:
  void check_alignment(size_t alignment) const;

  std::shared_ptr<const void> owner_;
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
};

/// real = scale * (q - zero_point). No scale: not quantized. One scale: per tensor. More: one for each index of
/// dimension `quantized_dimension`.
struct Quantization {
  std::vector<float> scale;
  std::vector<int64_t> zero_point;
  int32_t quantized_dimension = 0;

  bool empty() const { return scale.empty(); }
  bool per_channel() const { return scale.size() > 1; }
  bool operator==(const Quantization&) const = default;
};

struct Tensor {
  std::string name;
  Type type = Type::FLOAT32;
  Shape shape;            ///< Static sizes; where the size is dynamic, the size of the example.
  Shape shape_signature;  ///< Empty, or `shape` with -1 where the size is dynamic.
  Quantization quantization;
  Buffer buffer;  ///< Contents of a constant; empty for activations.
  bool is_variable = false;
  bool has_rank = true;  ///< False in older files, and where the rank is known at run time only.
  /// What the file says of the tensor beyond these fields, which goes back untouched: statistics (min and max),
  /// sparsity, block-wise scales, types inside a variant, contents in another file. A flatbuffer with a Tensor table.
  Buffer carried = {};
  /// Contents or scales are of a kind that only the runtime understands (sparse, block-wise, in another file): no pass
  /// may touch the tensor, and its contents are no constant to them.
  bool opaque = false;
  std::vector<int> related = {};  ///< Tensors that hold the block-wise scales and zero points of this one.

  bool is_constant() const { return !buffer.empty() && !is_variable && !opaque; }
  int rank() const { return static_cast<int>(shape.size()); }
};

constexpr int kNoTensor = -1;

struct Operator {
  Op op = Op::CUSTOM;
  std::string custom_code;   ///< Name of a CUSTOM operator.
  std::vector<int> inputs;   ///< Tensor ids; kNoTensor for an optional input that is absent.
  std::vector<int> outputs;  ///< Tensor ids.
  Options options;
  Buffer custom_options;
  std::vector<int> intermediates;
  std::vector<uint8_t> mutating_variable_inputs = {};  ///< From the file; nothing here executes by it.
  int debug_metadata_index = -1;
  int version = 0;              ///< From the file; the writer goes by it for operators whose versions it does not know.
  bool channels_first = false;  ///< Logical form of an operator with a fixed dimension order; see the top of this file.
};

/// "CONV_2D", the name of a CUSTOM operator, or "operator 250" for a number that the format did not have yet.
std::string name_of(const Operator& op);

struct Subgraph {
  std::string name;
  std::vector<Tensor> tensors;
  std::vector<Operator> operators;   ///< In execution order.
  std::vector<int> inputs, outputs;  ///< Tensor ids.
  int debug_metadata_index = -1;

  /// Adds a tensor; returns its id.
  int add_tensor(Tensor tensor);
  int add_tensor(std::string name, Type type, Shape shape, Quantization quantization = {});
  /// Adds a constant whose buffer holds exactly the shape's elements; returns its id.
  int add_constant(std::string name, Type type, Shape shape, Buffer buffer, Quantization quantization = {});
  int add_constant(std::string name, std::vector<float> values, Shape shape);
  int add_constant(std::string name, std::vector<int32_t> values, Shape shape);
  /// A vector of int32: axes, shapes, paddings.
  int add_constant(std::string name, std::vector<int32_t> values);
  /// Appends an operator; returns its index.
  int add_operator(Op op, std::vector<int> inputs, std::vector<int> outputs, Options options = {},
                   bool channels_first = false);
};

/// A named entry point: argument names and the tensors behind them.
struct Signature {
  std::string key = "serving_default";
  std::vector<std::pair<std::string, int>> inputs, outputs;
  int subgraph = 0;
};

struct Metadata {
  std::string name;
  Buffer data;
};

struct Model {
  std::string description;
  std::vector<Subgraph> subgraphs;  ///< The first is the main one.
  std::vector<Signature> signatures;
  std::vector<Metadata> metadata;
  Buffer carried = {};  ///< Descriptions of contents in other files; a flatbuffer with a Model table.
};

/// Number of elements of a shape; throws Error on negative sizes or overflow.
int64_t element_count(const Shape& shape);
/// Bytes that a tensor of this type and shape needs (INT4 packs two a byte); throws Error for types of no fixed size.
int64_t byte_count(Type type, const Shape& shape);

struct WriteOptions {
  /// The flatbuffer's offsets have 31 bits. Where the contents of constants would make it larger than this, they are
  /// written behind it.
  size_t largest_flatbuffer = (size_t{1} << 31) - 1;
};

/// The file's bytes. Fills what the format wants: operator codes with the versions that the features used call for,
/// aligned buffers (equal storage shared), signatures. Expects physical form: throws Error on `channels_first`.
std::vector<std::byte> serialize_tflite(const Model& model, const WriteOptions& options = {});
/// Reads a file's bytes; constants alias `owner`, nothing is copied. What this project never makes (operators and
/// options of other makers, StableHLO, sparse and block-wise quantized tensors, statistics, metadata) is carried along
/// and written back. Throws Error listing every reason for which the file is not a valid model, and fields that the
/// format did not have when this was written, which would get lost.
Model read_tflite(std::span<const std::byte> file, std::shared_ptr<const void> owner);
/// The same for a file, which is memory-mapped for as long as the model's buffers live.
Model read_tflite(const std::string& path);
/// Writes through a temporary file in the same directory and a rename, so that no half-written file is ever seen.
void write_tflite(const Model& model, const std::string& path);

}  // namespace tinyml::tflite
