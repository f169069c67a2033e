#include "tflite/builder.h"

#include <algorithm>
#include <numeric>

namespace tinyml::tflite::testing {

int Builder::result(Shape shape, Type type) {
  return graph().add_tensor("t" + std::to_string(next_++), type, std::move(shape));
}

std::vector<float> Builder::values(size_t count, float low, float high) {
  std::uniform_real_distribution<float> distribution(low, high);
  std::vector<float> result(count);
  for (float& value : result) value = distribution(random_);
  return result;
}

int Builder::input(Shape shape) {
  const int id = graph().add_tensor("input" + std::to_string(graph().inputs.size()), Type::FLOAT32, std::move(shape));
  graph().inputs.push_back(id);
  return id;
}

int Builder::constant(Shape shape, float low, float high) {
  auto data = values(static_cast<size_t>(element_count(shape)), low, high);
  return graph().add_constant("c" + std::to_string(next_++), std::move(data), std::move(shape));
}

int Builder::convolution(int x, int channels, int kernel, int stride, int groups) {
  const Shape in = shape(x);
  const float bound = 1.0F / static_cast<float>(kernel);
  const int weights = constant({channels, in[1] / groups, kernel, kernel}, -bound, bound);
  const int bias = constant({channels});
  const int y = result({in[0], channels, (in[2] - kernel) / stride + 1, (in[3] - kernel) / stride + 1});
  graph().add_operator(Op::CONV_2D, {x, weights, bias}, {y}, Conv2DOptions{.stride_w = stride, .stride_h = stride},
                       true);
  return y;
}

int Builder::transposed_convolution(int x, int channels, int kernel, int stride) {
  const Shape in = shape(x);
  const int weights = constant({in[1], channels, kernel, kernel}, -0.3F, 0.3F);
  const int bias = constant({channels});
  const Shape out = {in[0], channels, (in[2] - 1) * stride + kernel, (in[3] - 1) * stride + kernel};
  const int y = result(out);
  const int out_shape = graph().add_constant("output_shape", std::vector<int32_t>(out));
  graph().add_operator(Op::TRANSPOSE_CONV, {out_shape, weights, x, bias}, {y},
                       TransposeConvOptions{.stride_w = stride, .stride_h = stride}, true);
  return y;
}

int Builder::max_pool(int x, int size) {
  const Shape in = shape(x);
  const int y = result({in[0], in[1], in[2] / size, in[3] / size});
  graph().add_operator(Op::MAX_POOL_2D, {x}, {y},
                       Pool2DOptions{.stride_w = size, .stride_h = size, .filter_width = size, .filter_height = size},
                       true);
  return y;
}

int Builder::average_pool(int x, int size) {
  const Shape in = shape(x);
  const int y = result({in[0], in[1], in[2] / size, in[3] / size});
  graph().add_operator(Op::AVERAGE_POOL_2D, {x}, {y},
                       Pool2DOptions{.stride_w = size, .stride_h = size, .filter_width = size, .filter_height = size},
                       true);
  return y;
}

int Builder::resize(int x, int factor) {
  const Shape in = shape(x);
  const int y = result({in[0], in[1], in[2] * factor, in[3] * factor});
  const int size = graph().add_constant("size", {in[2] * factor, in[3] * factor});
  graph().add_operator(Op::RESIZE_BILINEAR, {x, size}, {y}, ResizeBilinearOptions{.half_pixel_centers = true}, true);
  return y;
}

int Builder::unary(Op op, int x) {
  const int y = result(shape(x));
  Options options;
  if (op == Op::LEAKY_RELU) options = LeakyReluOptions{.alpha = 0.1F};
  graph().add_operator(op, {x}, {y}, options);
  return y;
}

int Builder::binary(Op op, int a, int b) {
  Shape out = shape(a).size() >= shape(b).size() ? shape(a) : shape(b);
  const Shape& other = shape(a).size() >= shape(b).size() ? shape(b) : shape(a);
  for (size_t i = 0; i < other.size(); ++i) {
    int32_t& size = out[out.size() - 1 - i];
    size = std::max(size, other[other.size() - 1 - i]);
  }
  const int y = result(out);
  Options options;
  if (op == Op::ADD || op == Op::SUB || op == Op::MUL || op == Op::DIV) options = ArithmeticOptions{};
  graph().add_operator(op, {a, b}, {y}, options);
  return y;
}

int Builder::concatenation(const std::vector<int>& parts, int axis) {
  Shape out = shape(parts[0]);
  const auto a = static_cast<size_t>(axis < 0 ? axis + static_cast<int>(out.size()) : axis);
  for (size_t i = 1; i < parts.size(); ++i) out[a] += shape(parts[i])[a];
  const int y = result(out);
  graph().add_operator(Op::CONCATENATION, parts, {y}, ConcatenationOptions{.axis = axis});
  return y;
}

std::vector<int> Builder::split(int x, int axis, int parts) {
  Shape out = shape(x);
  out[static_cast<size_t>(axis)] /= parts;
  std::vector<int> ids;
  for (int i = 0; i < parts; ++i) ids.push_back(result(out));
  const int dimension = graph().add_constant("axis", std::vector<int32_t>{axis}, Shape{});
  graph().add_operator(Op::SPLIT, {dimension, x}, ids, SplitOptions{.num_splits = parts});
  return ids;
}

int Builder::pad(int x, const std::vector<int32_t>& paddings) {
  Shape out = shape(x);
  for (size_t i = 0; i < out.size(); ++i) out[i] += paddings[2 * i] + paddings[2 * i + 1];
  const int y = result(out);
  const int amounts = graph().add_constant("paddings", paddings, Shape{static_cast<int32_t>(out.size()), 2});
  graph().add_operator(Op::PAD, {x, amounts}, {y});
  return y;
}

int Builder::slice(int x, const std::vector<int32_t>& begin, const std::vector<int32_t>& size) {
  Shape out = size;
  for (size_t i = 0; i < out.size(); ++i) {
    if (out[i] < 0) out[i] = shape(x)[i] - begin[i];
  }
  const int y = result(out);
  const int b = graph().add_constant("begin", begin);
  const int s = graph().add_constant("size", size);
  graph().add_operator(Op::SLICE, {x, b, s}, {y});
  return y;
}

int Builder::mean(int x, const std::vector<int32_t>& axes, bool keep_dims) {
  Shape out;
  for (size_t i = 0; i < shape(x).size(); ++i) {
    if (std::find(axes.begin(), axes.end(), static_cast<int32_t>(i)) == axes.end()) {
      out.push_back(shape(x)[i]);
    } else if (keep_dims) {
      out.push_back(1);
    }
  }
  const int y = result(out);
  const int a = graph().add_constant("axes", axes);
  graph().add_operator(Op::MEAN, {x, a}, {y}, ReducerOptions{.keep_dims = keep_dims});
  return y;
}

int Builder::transpose(int x, const std::vector<int32_t>& permutation) {
  Shape out;
  for (int32_t axis : permutation) out.push_back(shape(x)[static_cast<size_t>(axis)]);
  const int y = result(out);
  const int p = graph().add_constant("permutation", permutation);
  graph().add_operator(Op::TRANSPOSE, {x, p}, {y});
  return y;
}

int Builder::reshape(int x, Shape shape) {
  const int y = result(std::move(shape));
  graph().add_operator(Op::RESHAPE, {x}, {y}, ReshapeOptions{});
  return y;
}

int Builder::softmax(int x) {
  const int y = result(shape(x));
  graph().add_operator(Op::SOFTMAX, {x}, {y}, SoftmaxOptions{});
  return y;
}

int Builder::linear(int x, int features) {
  Shape out = shape(x);
  const int weights = constant({features, out.back()}, -0.3F, 0.3F);
  const int bias = constant({features});
  out.back() = features;
  const int y = result(out);
  FullyConnectedOptions options;
  options.keep_num_dims = out.size() > 2;
  graph().add_operator(Op::FULLY_CONNECTED, {x, weights, bias}, {y}, options);
  return y;
}

int Builder::batch_matmul(int a, int b, bool adj_y) {
  Shape out = shape(a);
  out.back() = adj_y ? shape(b)[shape(b).size() - 2] : shape(b).back();
  const int y = result(out);
  graph().add_operator(Op::BATCH_MATMUL, {a, b}, {y}, BatchMatMulOptions{.adj_y = adj_y});
  return y;
}

int Builder::fake_quant(int x, float scale, int zero_point) {
  const int q = result(shape(x), Type::INT8);
  graph().tensors[static_cast<size_t>(q)].quantization = {{scale}, {zero_point}, 0};
  const int y = result(shape(x));
  graph().add_operator(Op::QUANTIZE, {x}, {q});
  graph().add_operator(Op::DEQUANTIZE, {q}, {y});
  return y;
}

int Builder::fake_quant_weights(int x, int dimension) {
  const Tensor tensor = graph().tensors[static_cast<size_t>(x)];
  const auto channels = static_cast<size_t>(tensor.shape[static_cast<size_t>(dimension)]);
  size_t inner = 1;
  for (size_t i = static_cast<size_t>(dimension) + 1; i < tensor.shape.size(); ++i)
    inner *= static_cast<size_t>(tensor.shape[i]);
  std::vector<float> scale(channels, 1e-6F);
  const auto data = tensor.buffer.as<float>();
  for (size_t i = 0; i < data.size(); ++i) {
    float& s = scale[i / inner % channels];
    s = std::max(s, std::abs(data[i]) / 127);
  }
  const int q = result(tensor.shape, Type::INT8);
  graph().tensors[static_cast<size_t>(q)].quantization = {scale, std::vector<int64_t>(channels, 0), dimension};
  const int y = result(tensor.shape);
  graph().add_operator(Op::QUANTIZE, {x}, {q});
  graph().add_operator(Op::DEQUANTIZE, {q}, {y});
  return y;
}

Model Builder::finish(const std::vector<int>& outputs) {
  graph().outputs = outputs;
  Signature signature;
  for (size_t i = 0; i < graph().inputs.size(); ++i) {
    signature.inputs.emplace_back("input_" + std::to_string(i), graph().inputs[i]);
  }
  for (size_t i = 0; i < outputs.size(); ++i) signature.outputs.emplace_back("output_" + std::to_string(i), outputs[i]);
  model.signatures = {signature};
  return model;
}

namespace {

int add_transpose(Subgraph& g, int x, const std::vector<int>& order) {
  Tensor out = g.tensors[static_cast<size_t>(x)];
  for (size_t i = 0; i < order.size(); ++i) {
    out.shape[i] = g.tensors[static_cast<size_t>(x)].shape[static_cast<size_t>(order[i])];
  }
  out.buffer = Buffer();
  out.name += "_";
  if (out.quantization.per_channel()) {
    const auto at = std::find(order.begin(), order.end(), out.quantization.quantized_dimension);
    out.quantization.quantized_dimension = static_cast<int32_t>(at - order.begin());
  }
  const int y = g.add_tensor(out);
  const int p = g.add_constant("p", std::vector<int32_t>(order.begin(), order.end()));
  g.add_operator(Op::TRANSPOSE, {x, p}, {y});
  return y;
}

}  // namespace

Model expand_naively(const Model& logical) {
  Model model = logical;
  Subgraph& g = model.subgraphs[0];
  std::vector<Operator> operators = std::move(g.operators);
  g.operators.clear();
  const std::vector<int> nhwc = {0, 2, 3, 1};
  for (Operator& op : operators) {
    if (!op.channels_first) {
      g.operators.push_back(op);
      continue;
    }
    op.channels_first = false;
    const bool transposed = op.op == Op::TRANSPOSE_CONV;
    const size_t x = transposed ? 2 : 0;
    op.inputs[x] = add_transpose(g, op.inputs[x], nhwc);
    if (op.op == Op::CONV_2D) op.inputs[1] = add_transpose(g, op.inputs[1], nhwc);
    if (transposed) {
      op.inputs[1] = add_transpose(g, op.inputs[1], {1, 2, 3, 0});
      const auto s = g.tensors[static_cast<size_t>(op.inputs[0])].buffer.as<int32_t>();
      op.inputs[0] = g.add_constant("output_shape", {s[0], s[2], s[3], s[1]});
    }
    const int out = op.outputs[0];
    const Shape s = g.tensors[static_cast<size_t>(out)].shape;
    Tensor physical = g.tensors[static_cast<size_t>(out)];
    physical.name += "_nhwc";
    physical.shape = {s[0], s[2], s[3], s[1]};
    op.outputs[0] = g.add_tensor(physical);
    g.operators.push_back(op);
    const int p = g.add_constant("p", {0, 3, 1, 2});
    g.add_operator(Op::TRANSPOSE, {op.outputs[0], p}, {out});
  }
  return model;
}

int count(const Model& model, Op op) {
  int total = 0;
  for (const Operator& o : model.subgraphs[0].operators) total += o.op == op ? 1 : 0;
  return total;
}

}  // namespace tinyml::tflite::testing
