// Modules of one operator and no tensors of their own.
#include <array>

#include "codegen/module_form.h"

namespace tinyml::codegen {
namespace {

struct Entry {
  std::string_view type;  ///< Below torch.nn.modules.
  std::string_view op;
  std::string_view text;  ///< A template; see call_text.h.
};

constexpr Entry kEntries[] = {
    {"activation.ReLU", "aten.relu.default", "nn.ReLU()"},
    {"activation.ReLU6", "aten.hardtanh.default", "nn.ReLU6() [min_val=0, max_val=6]"},
    {"activation.ReLU6", "aten.relu6.default", "nn.ReLU6()"},
    {"activation.Hardtanh", "aten.hardtanh.default", "nn.Hardtanh(min_val?-1.0, max_val?1.0)"},
    {"activation.LeakyReLU", "aten.leaky_relu.default", "nn.LeakyReLU(negative_slope?0.01)"},
    {"activation.ELU", "aten.elu.default", "nn.ELU(alpha?1.0) [scale=1, input_scale=1]"},
    {"activation.CELU", "aten.celu.default", "nn.CELU(alpha?1.0)"},
    {"activation.SELU", "aten.selu.default", "nn.SELU()"},
    {"activation.GELU", "aten.gelu.default", "nn.GELU(approximate=\"none\")"},
    {"activation.SiLU", "aten.silu.default", "nn.SiLU()"},
    {"activation.Mish", "aten.mish.default", "nn.Mish()"},
    {"activation.Sigmoid", "aten.sigmoid.default", "nn.Sigmoid()"},
    {"activation.Tanh", "aten.tanh.default", "nn.Tanh()"},
    {"activation.Hardswish", "aten.hardswish.default", "nn.Hardswish()"},
    {"activation.Hardsigmoid", "aten.hardsigmoid.default", "nn.Hardsigmoid()"},
    {"activation.LogSigmoid", "aten.log_sigmoid.default", "nn.LogSigmoid()"},
    {"activation.Softplus", "aten.softplus.default", "nn.Softplus(beta?1.0, threshold?20.0)"},
    {"activation.Softshrink", "aten.softshrink.default", "nn.Softshrink(lambd?0.5)"},
    {"activation.Hardshrink", "aten.hardshrink.default", "nn.Hardshrink(lambd?0.5)"},
    {"activation.Threshold", "aten.threshold.default", "nn.Threshold(threshold, value)"},
    {"activation.GLU", "aten.glu.default", "nn.GLU(dim?-1)"},
    {"activation.Softmax", "aten.softmax.int", "nn.Softmax(dim=None)"},
    {"activation.LogSoftmax", "aten.log_softmax.int", "nn.LogSoftmax(dim=None)"},
    {"activation.Softmax2d", "aten.softmax.int", "nn.Softmax2d() [dim=-3]"},
    {"dropout.Dropout", "aten.dropout.default", "nn.Dropout(p?0.5)"},
    {"dropout.Dropout1d", "aten.feature_dropout.default", "nn.Dropout1d(p?0.5)"},
    {"dropout.Dropout2d", "aten.feature_dropout.default", "nn.Dropout2d(p?0.5)"},
    {"dropout.Dropout3d", "aten.feature_dropout.default", "nn.Dropout3d(p?0.5)"},
    {"dropout.AlphaDropout", "aten.alpha_dropout.default", "nn.AlphaDropout(p?0.5)"},
    {"dropout.FeatureAlphaDropout", "aten.feature_alpha_dropout.default", "nn.FeatureAlphaDropout(p?0.5)"},
    {"pooling.MaxPool1d", "aten.max_pool1d.default",
     "nn.MaxPool1d(kernel_size#, stride#=@kernel_size, padding#=0, dilation#=1, ceil_mode=False)"},
    {"pooling.MaxPool2d", "aten.max_pool2d.default",
     "nn.MaxPool2d(kernel_size#, stride#=@kernel_size, padding#=0, dilation#=1, ceil_mode=False)"},
    {"pooling.MaxPool3d", "aten.max_pool3d.default",
     "nn.MaxPool3d(kernel_size#, stride#=@kernel_size, padding#=0, dilation#=1, ceil_mode=False)"},
    {"pooling.AvgPool1d", "aten.avg_pool1d.default",
     "nn.AvgPool1d(kernel_size#, stride#=@kernel_size, padding#=0, ceil_mode=False, count_include_pad=True)"},
    {"pooling.AvgPool2d", "aten.avg_pool2d.default",
     "nn.AvgPool2d(kernel_size#, stride#=@kernel_size, padding#=0, ceil_mode=False, count_include_pad=True, "
     "divisor_override=None)"},
    {"pooling.AvgPool3d", "aten.avg_pool3d.default",
     "nn.AvgPool3d(kernel_size#, stride#=@kernel_size, padding#=0, ceil_mode=False, count_include_pad=True, "
     "divisor_override=None)"},
    {"pooling.AdaptiveAvgPool1d", "aten.adaptive_avg_pool1d.default", "nn.AdaptiveAvgPool1d(output_size#)"},
    {"pooling.AdaptiveAvgPool2d", "aten.adaptive_avg_pool2d.default", "nn.AdaptiveAvgPool2d(output_size#)"},
    {"pooling.AdaptiveAvgPool3d", "aten.adaptive_avg_pool3d.default", "nn.AdaptiveAvgPool3d(output_size#)"},
    {"pooling.AdaptiveMaxPool1d", "aten.adaptive_max_pool1d.default", "nn.AdaptiveMaxPool1d(output_size#)"},
    {"pooling.AdaptiveMaxPool2d", "aten.adaptive_max_pool2d.default", "nn.AdaptiveMaxPool2d(output_size#)"},
    {"pooling.AdaptiveMaxPool3d", "aten.adaptive_max_pool3d.default", "nn.AdaptiveMaxPool3d(output_size#)"},
    {"flatten.Flatten", "aten.flatten.using_ints", "nn.Flatten(start_dim?1, end_dim?-1)"},
    {"flatten.Unflatten", "aten.unflatten.int", "nn.Unflatten(dim, unflattened_size:sizes)"},
    {"pixelshuffle.PixelShuffle", "aten.pixel_shuffle.default", "nn.PixelShuffle(upscale_factor)"},
    {"pixelshuffle.PixelUnshuffle", "aten.pixel_unshuffle.default", "nn.PixelUnshuffle(downscale_factor)"},
    {"channelshuffle.ChannelShuffle", "aten.channel_shuffle.default", "nn.ChannelShuffle(groups)"},
    {"padding.ZeroPad1d", "aten.pad.default", "nn.ZeroPad1d(padding:pad#) [mode=\"constant\", value=0]"},
    {"padding.ZeroPad2d", "aten.pad.default", "nn.ZeroPad2d(padding:pad#) [mode=\"constant\", value=0]"},
    {"padding.ZeroPad3d", "aten.pad.default", "nn.ZeroPad3d(padding:pad#) [mode=\"constant\", value=0]"},
    {"padding.ConstantPad1d", "aten.pad.default", "nn.ConstantPad1d(padding:pad#, value) [mode=\"constant\"]"},
    {"padding.ConstantPad2d", "aten.pad.default", "nn.ConstantPad2d(padding:pad#, value) [mode=\"constant\"]"},
    {"padding.ConstantPad3d", "aten.pad.default", "nn.ConstantPad3d(padding:pad#, value) [mode=\"constant\"]"},
    {"padding.ReflectionPad1d", "aten.pad.default", "nn.ReflectionPad1d(padding:pad#) [mode=\"reflect\"]"},
    {"padding.ReflectionPad2d", "aten.pad.default", "nn.ReflectionPad2d(padding:pad#) [mode=\"reflect\"]"},
    {"padding.ReflectionPad3d", "aten.pad.default", "nn.ReflectionPad3d(padding:pad#) [mode=\"reflect\"]"},
    {"padding.ReplicationPad1d", "aten.pad.default", "nn.ReplicationPad1d(padding:pad#) [mode=\"replicate\"]"},
    {"padding.ReplicationPad2d", "aten.pad.default", "nn.ReplicationPad2d(padding:pad#) [mode=\"replicate\"]"},
    {"padding.ReplicationPad3d", "aten.pad.default", "nn.ReplicationPad3d(padding:pad#) [mode=\"replicate\"]"},
    {"padding.CircularPad1d", "aten.pad.default", "nn.CircularPad1d(padding:pad#) [mode=\"circular\"]"},
    {"padding.CircularPad2d", "aten.pad.default", "nn.CircularPad2d(padding:pad#) [mode=\"circular\"]"},
    {"padding.CircularPad3d", "aten.pad.default", "nn.CircularPad3d(padding:pad#) [mode=\"circular\"]"},
};

constexpr std::string_view kPrefix = "torch.nn.modules.";

}  // namespace

std::optional<ModuleForm> stateless_form(const LeafGroup& group) {
  if (group.size() != 1 || !group.mutations.empty() || !group.type.starts_with(kPrefix)) return std::nullopt;
  const Node& node = group.node(0);
  const std::string_view type = std::string_view(group.type).substr(kPrefix.size());
  if (node.args.empty() || !node.args[0].value.is_value() || node.outputs.empty()) return std::nullopt;
  for (const Entry& entry : kEntries) {
    if (entry.type != type || entry.op != node.op) continue;
    bool reads_values = false;
    const ValueText no_values = [&](ValueId) {
      reads_values = true;
      return std::string();
    };
    // The input is passed at the call, and whether to drop out is the module's mode.
    std::optional<CallText> call = apply_template(entry.text, node, no_values, {node.args[0].name, "train"});
    if (!call || reads_values) continue;
    ModuleForm form;
    form.constructor = std::move(*call);
    form.inputs = {node.args[0].value.as_value()};
    form.outputs = {node.outputs[0]};
    return form;
  }
  return std::nullopt;
}

}  // namespace tinyml::codegen
