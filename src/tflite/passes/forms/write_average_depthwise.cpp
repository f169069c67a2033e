#include "tflite/passes/forms/convolution_view.h"
#include "tflite/passes/forms/forms.h"
#include "tflite/passes/quantization.h"

namespace tinyml::tflite {
namespace {

constexpr int32_t kMostTaps = 25;  // Of XNNPACK's fast depthwise kernels.

bool rewrite(Editor& editor, int o) {
  const Operator op = editor.op(o);
  const auto* pool = std::get_if<Pool2DOptions>(&op.options);
  if (op.op != Op::AVERAGE_POOL_2D || pool == nullptr || pool->padding != Padding::VALID) return false;
  if (pool->activation != Activation::NONE || pool->filter_height * pool->filter_width > kMostTaps) return false;
  const int source = quantized_source(editor, op.inputs[0], false);
  const int result = quantized_result(editor, op.outputs[0]);
  if (source == kNoTensor || result == kNoTensor) return false;
  const Tensor x = editor.tensor(source);
  if (x.rank() != 4 || x.type != Type::INT8 || editor.tensor(result).type != Type::INT8) return false;
  const int32_t channels = x.shape[3];
  const auto count = static_cast<size_t>(channels);
  const float scale = 1.0F / static_cast<float>(pool->filter_height * pool->filter_width) / 127.0F;
  Tensor weights;
  weights.name = editor.tensor(op.outputs[0]).name + "_mean";
  weights.type = Type::INT8;
  weights.shape = {1, pool->filter_height, pool->filter_width, channels};
  weights.buffer = Buffer::of(std::vector<int8_t>(static_cast<size_t>(element_count(weights.shape)), int8_t{127}));
  weights.quantization = {std::vector<float>(count, scale), std::vector<int64_t>(count, 0), 3};
  Tensor bias;
  bias.name = weights.name + "_bias";
  bias.type = Type::INT32;
  bias.shape = {channels};
  bias.buffer = Buffer::of(std::vector<int32_t>(count, 0));
  bias.quantization = {std::vector<float>(count, scale * x.quantization.scale[0]), std::vector<int64_t>(count, 0), 0};
  Tensor made = editor.tensor(op.outputs[0]);
  made.name += "_int8";
  made.type = Type::INT8;
  made.quantization = editor.tensor(result).quantization;
  Operator depthwise;
  depthwise.op = Op::DEPTHWISE_CONV_2D;
  depthwise.inputs = {source, editor.add_tensor(std::move(weights)), editor.add_tensor(std::move(bias))};
  depthwise.outputs = {editor.add_tensor(std::move(made))};
  DepthwiseConv2DOptions options{.padding = Padding::VALID};
  options.stride_h = pool->stride_h;
  options.stride_w = pool->stride_w;
  depthwise.options = options;
  const int replacement = depthwise.outputs[0];
  editor.remove(o);
  editor.add_operator(std::move(depthwise));
  absorb_quantize(editor, op.outputs[0], replacement);
  return true;
}

}  // namespace

int write_average_depthwise(Subgraph& subgraph, const FormPolicy& policy) {
  if (!policy.uses(Form::kAveragePool, true)) return 0;
  return rewrite_each(subgraph, rewrite);
}

}  // namespace tinyml::tflite
