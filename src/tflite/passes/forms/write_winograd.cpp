#include <array>

#include "tflite/passes/forms/convolution_view.h"
#include "tflite/passes/forms/forms.h"

namespace tinyml::tflite {
namespace {

constexpr int32_t kLeastChannels = 128;  // Of input and output: with fewer the transforms cost what the products save.
constexpr double kMostWaste = 1.35;      // Computed over wanted outputs, where a size is odd.
constexpr int32_t kTile = 4;             // Inputs that make two outputs, in one dimension.

// The kernel's transform: two outputs of three taps by four products.
constexpr double kKernel[kTile][3] = {{1, 0, 0}, {0.5, 0.5, 0.5}, {0.5, -0.5, 0.5}, {0, 0, 1}};

// OHWI weights -> 16 matrices (input channels, output channels), the column's transform outermost.
Tensor transform_weights(const Tensor& weights) {
  const int32_t outputs = weights.shape[0], inputs = weights.shape[3];
  const auto taps = weights.buffer.as<float>();
  const auto columns = static_cast<size_t>(outputs), rows = static_cast<size_t>(inputs);
  std::vector<float> values(size_t{kTile * kTile} * rows * columns);
  for (size_t k = 0; k < columns; ++k) {
    for (size_t c = 0; c < rows; ++c) {
      for (size_t j = 0; j < kTile; ++j) {
        for (size_t i = 0; i < kTile; ++i) {
          double sum = 0;
          for (size_t a = 0; a < 3; ++a) {
            for (size_t b = 0; b < 3; ++b) {
              sum += kKernel[i][a] * kKernel[j][b] * static_cast<double>(taps[((k * 3 + a) * 3 + b) * rows + c]);
            }
          }
          values[((j * kTile + i) * rows + c) * columns + k] = static_cast<float>(sum);
        }
      }
    }
  }
  Tensor result = weights;
  result.name += "_winograd";
  result.shape = {kTile * kTile, inputs, outputs};
  result.buffer = Buffer::of(std::move(values));
  return result;
}

Tensor tile(const Tensor& bias, int32_t times) {
  const int32_t channels = bias.shape[0];
  return remap_constant(bias, {channels * times}, [&](const Shape& i) { return int64_t{i[0] % channels}; });
}

// Writes operators whose values are like one tensor of the convolution's.
class Writer {
 public:
  Writer(Editor& editor, int like) : editor_(editor), like_(like) {}

  int reshape(int x, const Shape& shape) { return add(Op::RESHAPE, {x}, ReshapeOptions{}, shape, "_tiles"); }
  int slice(int x, const std::vector<int32_t>& begin, const Shape& size) {
    const int at = editor_.add_integers("begin", begin);
    return add(Op::SLICE, {x, at, editor_.add_integers("size", size)}, {}, size, "_part");
  }
  int join(const std::vector<int>& parts, int axis) {
    Shape shape = editor_.tensor(parts[0]).shape;
    shape[static_cast<size_t>(axis)] *= static_cast<int32_t>(parts.size());
    return add(Op::CONCATENATION, parts, ConcatenationOptions{.axis = axis}, shape, "_joined");
  }
  int combine(Op op, int a, int b, Activation activation = Activation::NONE) {
    const Shape shape = editor_.tensor(a).shape;
    return add(op, {a, b}, ArithmeticOptions{.activation = activation}, shape, op == Op::ADD ? "_sum" : "_difference");
  }
  int multiply(int x, int matrices) {
    Shape shape = editor_.tensor(x).shape;
    shape[2] = editor_.tensor(matrices).shape[2];
    return add(Op::BATCH_MATMUL, {x, matrices}, BatchMatMulOptions{}, shape, "_products");
  }

  // The four combinations of a tile's inputs in the middle dimension of (m, tiles + 1, 2 * run), where neighbours lie
  // side by side, one after the other in the first.
  int spread(int x) {
    const Shape& shape = editor_.tensor(x).shape;
    const int32_t run = shape[2] / 2;
    const Shape size = {shape[0], shape[1] - 1, run};
    std::array<int, kTile> d{};
    for (int32_t i = 0; i < kTile; ++i) d[static_cast<size_t>(i)] = slice(x, {0, i / 2, i % 2 * run}, size);
    return join({combine(Op::SUB, d[0], d[2]), combine(Op::ADD, d[1], d[2]), combine(Op::SUB, d[2], d[1]),
                 combine(Op::SUB, d[1], d[3])},
                0);
  }

  // Two outputs side by side in the last dimension from four blocks of the first. `bias`: added to both, or kNoTensor.
  int gather(int x, int bias, Activation activation) {
    Shape size = editor_.tensor(x).shape;
    size[0] /= kTile;
    std::array<int, kTile> m{};
    for (int32_t i = 0; i < kTile; ++i) m[static_cast<size_t>(i)] = slice(x, {i * size[0], 0, 0}, size);
    if (bias != kNoTensor) m[1] = combine(Op::ADD, m[1], bias);
    return join({combine(Op::ADD, combine(Op::ADD, m[0], m[1]), m[2], activation),
                 combine(Op::SUB, combine(Op::SUB, m[1], m[2]), m[3], activation)},
                2);
  }

 private:
  int add(Op op, std::vector<int> inputs, Options options, const Shape& shape, const char* suffix) {
    return add_result(editor_, op, std::move(inputs), std::move(options), like_, shape, suffix);
  }

  Editor& editor_;
  int like_;
};

bool has_plain_taps(const Axis& axis) { return axis.kernel == 3 && axis.stride == 1 && axis.dilation == 1; }

bool rewrite(Editor& editor, int o, const FormPolicy& policy) {
  if (editor.op(o).op != Op::CONV_2D) return false;
  const auto view = view_convolution(editor, o);
  if (!view || view->quantized || !has_plain_taps(view->height) || !has_plain_taps(view->width)) return false;
  const Operator conv = editor.op(o);
  const int32_t inputs = editor.tensor(view->source).shape[3];
  const Shape out = editor.tensor(conv.outputs[0]).shape;
  if (editor.tensor(conv.inputs[1]).shape[3] != inputs) return false;  // Groups.
  if (std::min(inputs, out[3]) < kLeastChannels || !policy.uses(Form::kWinograd, false)) return false;
  const int32_t odd_rows = out[1] % 2, odd_columns = out[2] % 2;
  const int32_t height = out[1] + odd_rows, width = out[2] + odd_columns;
  if (1.0 * height * width > kMostWaste * out[1] * out[2]) return false;

  const int32_t images = out[0], rows = height / 2, columns = width / 2;
  const int result = conv.outputs[0];
  Writer writer(editor, result);
  int x = add_spatial_padding(editor, view->source, view->height.before, view->height.after + odd_rows,
                              view->width.before, view->width.after + odd_columns);
  x = writer.spread(writer.reshape(x, {images, rows + 1, 2 * (width + 2) * inputs}));
  x = writer.spread(writer.reshape(x, {kTile * images * rows, columns + 1, 2 * inputs}));
  x = writer.reshape(x, {kTile * kTile, images * rows * columns, inputs});
  x = writer.multiply(x, editor.add_tensor(transform_weights(editor.tensor(conv.inputs[1]))));
  x = writer.gather(x, kNoTensor, Activation::NONE);
  x = writer.reshape(x, {kTile, images * rows, width * out[3]});
  x = writer.gather(x, editor.add_tensor(tile(editor.tensor(conv.inputs[2]), width)), view->activation);
  x = writer.reshape(x, {images, height, width, out[3]});
  if (odd_rows + odd_columns > 0) x = writer.slice(x, {0, 0, 0, 0}, out);
  editor.remove(o);
  editor.replace_uses(result, x);
  return true;
}

}  // namespace

int write_winograd(Subgraph& subgraph, const FormPolicy& policy) {
  return rewrite_each(subgraph, [&](Editor& editor, int o) { return rewrite(editor, o, policy); });
}

}  // namespace tinyml::tflite
