#include "tflite/verify/infer_shape.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <functional>
#include <map>

namespace tinyml::tflite {
namespace {

using Shapes = std::vector<Shape>;
using Result = std::optional<Shapes>;

const Shape& shape_of(const Checker& checker, const Operator& op, size_t i) {
  const Tensor* tensor = checker.input(op, i);
  if (tensor == nullptr) throw Error(fmt::format("input {} is missing", i));
  return tensor->shape;
}

const Shape& shape_of(const Checker& checker, const Operator& op, size_t i, size_t rank) {
  const Shape& shape = shape_of(checker, op, i);
  if (shape.size() != rank) throw Error(fmt::format("input {} has rank {}, not {}", i, shape.size(), rank));
  return shape;
}

/// Options of the operator; the format's defaults when the file has none.
template <typename O>
O options_of(const Operator& op) {
  const O* options = std::get_if<O>(&op.options);
  return options == nullptr ? O{} : *options;
}

size_t axis_of(int64_t axis, size_t rank) {
  const int64_t index = axis < 0 ? axis + static_cast<int64_t>(rank) : axis;
  if (index < 0 || index >= static_cast<int64_t>(rank)) throw Error(fmt::format("axis {} does not exist", axis));
  return static_cast<size_t>(index);
}

int32_t to_size(int64_t size) {
  if (size < 0 || size > INT32_MAX) throw Error(fmt::format("a size would be {}", size));
  return static_cast<int32_t>(size);
}

/// Sliding-window output size.
int32_t window_size(int64_t in, int64_t filter, int64_t stride, int64_t dilation, Padding padding) {
  if (padding == Padding::SAME) return to_size((in + stride - 1) / stride);
  return to_size((in - (filter - 1) * dilation - 1 + stride) / stride);
}

Result same_as_input(const Checker& checker, const Operator& op) { return Shapes{shape_of(checker, op, 0)}; }

Result elementwise(const Checker& checker, const Operator& op) {
  return Shapes{broadcast_shapes(shape_of(checker, op, 0), shape_of(checker, op, 1))};
}

Result convolution(const Checker& checker, const Operator& op) {
  const auto options = options_of<Conv2DOptions>(op);
  const Shape& x = shape_of(checker, op, 0, 4);
  const Shape& w = shape_of(checker, op, 1, 4);
  if (w[3] == 0 || x[3] < w[3] || x[3] % w[3] != 0 || w[0] % (x[3] / w[3]) != 0) {
    throw Error(fmt::format("{} input channels do not fit weights [{}]", x[3], fmt::join(w, ", ")));
  }
  return Shapes{{x[0], window_size(x[1], w[1], options.stride_h, options.dilation_h, options.padding),
                 window_size(x[2], w[2], options.stride_w, options.dilation_w, options.padding), w[0]}};
}

Result depthwise(const Checker& checker, const Operator& op) {
  const auto options = options_of<DepthwiseConv2DOptions>(op);
  const Shape& x = shape_of(checker, op, 0, 4);
  const Shape& w = shape_of(checker, op, 1, 4);
  if (w[0] != 1 || x[3] == 0 || w[3] % x[3] != 0) {
    throw Error(fmt::format("{} input channels do not fit weights [{}]", x[3], fmt::join(w, ", ")));
  }
  if (options.depth_multiplier != w[3] / x[3]) throw Error("the depth multiplier contradicts the weights");
  return Shapes{{x[0], window_size(x[1], w[1], options.stride_h, options.dilation_h, options.padding),
                 window_size(x[2], w[2], options.stride_w, options.dilation_w, options.padding), w[3]}};
}

Result transposed_convolution(const Checker& checker, const Operator& op) {
  const Shape& w = shape_of(checker, op, 1, 4);
  const Shape& x = shape_of(checker, op, 2, 4);
  if (x[3] != w[3]) throw Error(fmt::format("{} input channels do not fit weights [{}]", x[3], fmt::join(w, ", ")));
  const auto size = constant_integers(checker.input(op, 0));
  if (!size) return std::nullopt;
  if (size->size() != 4 || (*size)[3] != w[0]) throw Error("the output shape contradicts the weights");
  const auto options = options_of<TransposeConvOptions>(op);
  const Shape out = {to_size((*size)[0]), to_size((*size)[1]), to_size((*size)[2]), to_size((*size)[3])};
  if (window_size(out[1], w[1], options.stride_h, 1, options.padding) != x[1] ||
      window_size(out[2], w[2], options.stride_w, 1, options.padding) != x[2]) {
    throw Error(fmt::format("the output shape [{}] does not lead back to the input's size", fmt::join(out, ", ")));
  }
  return Shapes{out};
}

Result pooling(const Checker& checker, const Operator& op) {
  const auto options = options_of<Pool2DOptions>(op);
  const Shape& x = shape_of(checker, op, 0, 4);
  return Shapes{{x[0], window_size(x[1], options.filter_height, options.stride_h, 1, options.padding),
                 window_size(x[2], options.filter_width, options.stride_w, 1, options.padding), x[3]}};
}

Result fully_connected(const Checker& checker, const Operator& op) {
  const Shape& x = shape_of(checker, op, 0);
  const Shape& w = shape_of(checker, op, 1, 2);
  if (w[1] == 0 || element_count(x) % w[1] != 0) throw Error("the input's size is no multiple of the weights' columns");
  if (!options_of<FullyConnectedOptions>(op).keep_num_dims) return Shapes{{to_size(element_count(x) / w[1]), w[0]}};
  if (x.empty() || x.back() != w[1]) throw Error("the input's last size is not that of the weights' columns");
  Shape out = x;
  out.back() = w[0];
  return Shapes{out};
}

Result batch_matmul(const Checker& checker, const Operator& op) {
  const auto options = options_of<BatchMatMulOptions>(op);
  Shape a = shape_of(checker, op, 0);
  Shape b = shape_of(checker, op, 1);
  if (a.size() < 2 || b.size() < 2) throw Error("an operand has fewer than two dimensions");
  if (options.adj_x) std::swap(a[a.size() - 1], a[a.size() - 2]);
  if (options.adj_y) std::swap(b[b.size() - 1], b[b.size() - 2]);
  if (a.back() != b[b.size() - 2]) throw Error("the inner sizes differ");
  Shape out = broadcast_shapes(Shape(a.begin(), a.end() - 2), Shape(b.begin(), b.end() - 2));
  out.push_back(a[a.size() - 2]);
  out.push_back(b.back());
  return Shapes{out};
}

Result reshape(const Checker& checker, const Operator& op) {
  const Tensor* out = checker.output(op, 0);
  if (element_count(out->shape) != element_count(shape_of(checker, op, 0)))
    throw Error("the number of elements changes");
  return std::nullopt;
}

Result transpose(const Checker& checker, const Operator& op) {
  const Shape& x = shape_of(checker, op, 0);
  const auto order = constant_integers(checker.input(op, 1));
  if (!order) return std::nullopt;
  std::vector<bool> seen(x.size(), false);
  Shape out;
  for (int64_t axis : *order) {
    const size_t index = axis_of(axis, x.size());
    if (seen[index]) throw Error("the permutation repeats an axis");
    seen[index] = true;
    out.push_back(x[index]);
  }
  if (out.size() != x.size()) throw Error("the permutation has another rank than the input");
  return Shapes{out};
}

Result reduction(const Checker& checker, const Operator& op) {
  const Shape& x = shape_of(checker, op, 0);
  const auto axes = constant_integers(checker.input(op, 1));
  if (!axes) return std::nullopt;
  std::vector<bool> reduced(x.size(), false);
  for (int64_t axis : *axes) reduced[axis_of(axis, x.size())] = true;
  Shape out;
  for (size_t i = 0; i < x.size(); ++i) {
    if (!reduced[i]) out.push_back(x[i]);
    if (reduced[i] && options_of<ReducerOptions>(op).keep_dims) out.push_back(1);
  }
  return Shapes{out};
}

Result concatenation(const Checker& checker, const Operator& op) {
  Shape out = shape_of(checker, op, 0);
  const size_t axis = axis_of(options_of<ConcatenationOptions>(op).axis, out.size());
  int64_t total = 0;
  for (size_t i = 0; i < op.inputs.size(); ++i) {
    Shape part = shape_of(checker, op, i, out.size());
    total += part[axis];
    part[axis] = out[axis];
    if (part != out) throw Error(fmt::format("input {} does not fit the first one", i));
  }
  out[axis] = to_size(total);
  return Shapes{out};
}

Result pack(const Checker& checker, const Operator& op) {
  Shape out = shape_of(checker, op, 0);
  for (size_t i = 1; i < op.inputs.size(); ++i) {
    if (shape_of(checker, op, i) != out) throw Error(fmt::format("input {} does not fit the first one", i));
  }
  const size_t axis = axis_of(options_of<PackOptions>(op).axis, out.size() + 1);
  out.insert(out.begin() + static_cast<std::ptrdiff_t>(axis), to_size(static_cast<int64_t>(op.inputs.size())));
  return Shapes{out};
}

Result unpack(const Checker& checker, const Operator& op) {
  Shape part = shape_of(checker, op, 0);
  const size_t axis = axis_of(options_of<UnpackOptions>(op).axis, part.size());
  if (static_cast<size_t>(part[axis]) != op.outputs.size()) throw Error("there is not one output for each slice");
  part.erase(part.begin() + static_cast<std::ptrdiff_t>(axis));
  return Shapes(op.outputs.size(), part);
}

Result split(const Checker& checker, const Operator& op) {
  const auto axis_value = constant_integers(checker.input(op, 0));
  if (!axis_value || axis_value->size() != 1) return std::nullopt;
  Shape part = shape_of(checker, op, 1);
  const size_t axis = axis_of((*axis_value)[0], part.size());
  const auto parts = static_cast<int32_t>(op.outputs.size());
  if (part[axis] % parts != 0) throw Error("the axis does not divide into equal parts");
  part[axis] /= parts;
  return Shapes(op.outputs.size(), part);
}

Result split_v(const Checker& checker, const Operator& op) {
  const auto sizes = constant_integers(checker.input(op, 1));
  const auto axis_value = constant_integers(checker.input(op, 2));
  if (!sizes || !axis_value || axis_value->size() != 1) return std::nullopt;
  const Shape& x = shape_of(checker, op, 0);
  const size_t axis = axis_of((*axis_value)[0], x.size());
  if (sizes->size() != op.outputs.size()) throw Error("there is not one output for each size");
  Shapes out;
  int64_t total = 0;
  for (int64_t size : *sizes) {
    if (size < 0) return std::nullopt;  // One size may be left to the runtime.
    total += size;
    out.push_back(x);
    out.back()[axis] = to_size(size);
  }
  if (total != x[axis]) throw Error("the sizes do not add up to the axis");
  return out;
}

Result slice(const Checker& checker, const Operator& op) {
  const Shape& x = shape_of(checker, op, 0);
  const auto begin = constant_integers(checker.input(op, 1));
  const auto size = constant_integers(checker.input(op, 2));
  if (!begin || !size) return std::nullopt;
  if (begin->size() != x.size() || size->size() != x.size()) throw Error("begin and size do not fit the input's rank");
  Shape out;
  for (size_t i = 0; i < x.size(); ++i) {
    const int64_t count = (*size)[i] == -1 ? x[i] - (*begin)[i] : (*size)[i];
    if ((*begin)[i] < 0 || count < 0 || (*begin)[i] + count > x[i]) throw Error(fmt::format("axis {} is exceeded", i));
    out.push_back(to_size(count));
  }
  return Shapes{out};
}

Result pad(const Checker& checker, const Operator& op) {
  Shape out = shape_of(checker, op, 0);
  const auto paddings = constant_integers(checker.input(op, 1));
  if (!paddings) return std::nullopt;
  if (paddings->size() != 2 * out.size()) throw Error("the paddings do not fit the input's rank");
  for (size_t i = 0; i < out.size(); ++i) {
    if ((*paddings)[2 * i] < 0 || (*paddings)[2 * i + 1] < 0) throw Error("a padding is negative");
    out[i] = to_size(out[i] + (*paddings)[2 * i] + (*paddings)[2 * i + 1]);
  }
  return Shapes{out};
}

Result gather(const Checker& checker, const Operator& op) {
  const auto options = options_of<GatherOptions>(op);
  const Shape& x = shape_of(checker, op, 0);
  const Shape& indices = shape_of(checker, op, 1);
  if (options.batch_dims != 0) return std::nullopt;
  const auto axis = static_cast<std::ptrdiff_t>(axis_of(options.axis, x.size()));
  Shape out(x.begin(), x.begin() + axis);
  out.insert(out.end(), indices.begin(), indices.end());
  out.insert(out.end(), x.begin() + axis + 1, x.end());
  return Shapes{out};
}

Result resize(const Checker& checker, const Operator& op) {
  const Shape& x = shape_of(checker, op, 0, 4);
  const auto size = constant_integers(checker.input(op, 1));
  if (!size) return std::nullopt;
  if (size->size() != 2) throw Error("the size is not {height, width}");
  return Shapes{{x[0], to_size((*size)[0]), to_size((*size)[1]), x[3]}};
}

Result depth_to_space(const Checker& checker, const Operator& op) {
  const Shape& x = shape_of(checker, op, 0, 4);
  const int64_t block = options_of<DepthToSpaceOptions>(op).block_size;
  if (x[3] % (block * block) != 0) throw Error("the channels do not divide into blocks");
  return Shapes{{x[0], to_size(x[1] * block), to_size(x[2] * block), to_size(x[3] / (block * block))}};
}

Result space_to_depth(const Checker& checker, const Operator& op) {
  const Shape& x = shape_of(checker, op, 0, 4);
  const int64_t block = options_of<SpaceToDepthOptions>(op).block_size;
  if (x[1] % block != 0 || x[2] % block != 0) throw Error("the image does not divide into blocks");
  return Shapes{{x[0], to_size(x[1] / block), to_size(x[2] / block), to_size(x[3] * block * block)}};
}

using Rule = Result (*)(const Checker&, const Operator&);

const std::map<Op, Rule>& rules() {
  static const std::map<Op, Rule> table = [] {
    std::map<Op, Rule> rows = {
        {Op::CONV_2D, convolution},
        {Op::DEPTHWISE_CONV_2D, depthwise},
        {Op::TRANSPOSE_CONV, transposed_convolution},
        {Op::FULLY_CONNECTED, fully_connected},
        {Op::BATCH_MATMUL, batch_matmul},
        {Op::RESHAPE, reshape},
        {Op::SQUEEZE, reshape},
        {Op::TRANSPOSE, transpose},
        {Op::CONCATENATION, concatenation},
        {Op::PACK, pack},
        {Op::UNPACK, unpack},
        {Op::SPLIT, split},
        {Op::SPLIT_V, split_v},
        {Op::SLICE, slice},
        {Op::GATHER, gather},
        {Op::DEPTH_TO_SPACE, depth_to_space},
        {Op::SPACE_TO_DEPTH, space_to_depth},
    };
    for (Op op : {Op::AVERAGE_POOL_2D, Op::MAX_POOL_2D, Op::L2_POOL_2D}) rows[op] = pooling;
    for (Op op : {Op::MEAN, Op::SUM, Op::REDUCE_MAX, Op::REDUCE_MIN, Op::REDUCE_PROD, Op::REDUCE_ANY, Op::REDUCE_ALL})
      rows[op] = reduction;
    for (Op op : {Op::PAD, Op::PADV2, Op::MIRROR_PAD}) rows[op] = pad;
    for (Op op : {Op::RESIZE_BILINEAR, Op::RESIZE_NEAREST_NEIGHBOR}) rows[op] = resize;
    for (Op op : {Op::ADD,           Op::SUB,       Op::MUL,        Op::DIV,
                  Op::MAXIMUM,       Op::MINIMUM,   Op::POW,        Op::SQUARED_DIFFERENCE,
                  Op::PRELU,         Op::LESS,      Op::LESS_EQUAL, Op::GREATER,
                  Op::GREATER_EQUAL, Op::EQUAL,     Op::NOT_EQUAL,  Op::LOGICAL_AND,
                  Op::LOGICAL_OR,    Op::FLOOR_DIV, Op::FLOOR_MOD,  Op::ATAN2}) {
      rows[op] = elementwise;
    }
    for (Op op : {Op::RELU,        Op::RELU6,      Op::RELU_N1_TO_1,
                  Op::RELU_0_TO_1, Op::LEAKY_RELU, Op::ELU,
                  Op::GELU,        Op::TANH,       Op::SOFTMAX,
                  Op::LOG_SOFTMAX, Op::HARD_SWISH, Op::LOGISTIC,
                  Op::QUANTIZE,    Op::DEQUANTIZE, Op::CAST,
                  Op::EXP,         Op::LOG,        Op::SQRT,
                  Op::RSQRT,       Op::ABS,        Op::NEG,
                  Op::FLOOR,       Op::SIN,        Op::COS,
                  Op::SQUARE,      Op::CUMSUM,     Op::L2_NORMALIZATION,
                  Op::CEIL,        Op::ROUND,      Op::SIGN,
                  Op::LOGICAL_NOT, Op::ZEROS_LIKE, Op::FAKE_QUANT,
                  Op::REVERSE_V2}) {
      rows[op] = same_as_input;
    }
    return rows;
  }();
  return table;
}

}  // namespace

std::optional<std::vector<int64_t>> constant_integers(const Tensor* tensor) {
  if (tensor == nullptr || !tensor->is_constant()) return std::nullopt;
  std::vector<int64_t> values;
  if (tensor->type == Type::INT32) {
    const auto data = tensor->buffer.as<int32_t>();
    values.assign(data.begin(), data.end());
  } else if (tensor->type == Type::INT64) {
    const auto data = tensor->buffer.as<int64_t>();
    values.assign(data.begin(), data.end());
  } else {
    throw Error(fmt::format("constant '{}' should hold integers", tensor->name));
  }
  return values;
}

Shape broadcast_shapes(const Shape& a, const Shape& b) {
  Shape out(std::max(a.size(), b.size()));
  for (size_t i = 0; i < out.size(); ++i) {
    const int32_t x = i < a.size() ? a[a.size() - 1 - i] : 1;
    const int32_t y = i < b.size() ? b[b.size() - 1 - i] : 1;
    if (x != y && x != 1 && y != 1) {
      throw Error(fmt::format("shapes [{}] and [{}] do not broadcast", fmt::join(a, ", "), fmt::join(b, ", ")));
    }
    out[out.size() - 1 - i] = x == 1 ? y : x;
  }
  return out;
}

std::optional<std::vector<Shape>> infer_shapes(const Checker& checker, const Operator& op) {
  const auto rule = rules().find(op.op);
  return rule == rules().end() ? std::nullopt : rule->second(checker, op);
}

}  // namespace tinyml::tflite
