#include "codegen/node_text.h"

namespace tinyml::codegen {
namespace {

constexpr OpTemplate kTemplates[] = {
    {"aten.conv1d.default", "F.conv1d(input, weight, bias=None, stride#=1, padding#=0, dilation#=1, groups=1)"},
    {"aten.conv2d.default", "F.conv2d(input, weight, bias=None, stride#=1, padding#=0, dilation#=1, groups=1)"},
    {"aten.conv3d.default", "F.conv3d(input, weight, bias=None, stride#=1, padding#=0, dilation#=1, groups=1)"},
    {"aten.conv1d.padding", "F.conv1d(input, weight, bias=None, stride#=1, padding=\"valid\", dilation#=1, groups=1)"},
    {"aten.conv2d.padding", "F.conv2d(input, weight, bias=None, stride#=1, padding=\"valid\", dilation#=1, groups=1)"},
    {"aten.conv3d.padding", "F.conv3d(input, weight, bias=None, stride#=1, padding=\"valid\", dilation#=1, groups=1)"},
    {"aten.conv_transpose1d.default",
     "F.conv_transpose1d(input, weight, bias=None, stride#=1, padding#=0, output_padding#=0, groups=1, dilation#=1)"},
    {"aten.conv_transpose2d.input",
     "F.conv_transpose2d(input, weight, bias=None, stride#=1, padding#=0, output_padding#=0, groups=1, dilation#=1)"},
    {"aten.conv_transpose3d.input",
     "F.conv_transpose3d(input, weight, bias=None, stride#=1, padding#=0, output_padding#=0, groups=1, dilation#=1)"},
    {"aten.linear.default", "F.linear(input, weight, bias=None)"},
    {"aten.bilinear.default", "F.bilinear(input1, input2, weight, bias=None)"},
    {"aten.embedding.default", "F.embedding(indices, weight) [padding_idx=-1, scale_grad_by_freq=False, sparse=False]"},
    {"aten.batch_norm.default",
     "F.batch_norm(input, running_mean, running_var, weight=None, bias=None, training=False, eps=1e-05) "
     "[running_mean=None, momentum=0.1]"},
    {"aten.batch_norm.default",
     "F.batch_norm(input, running_mean, running_var, weight=None, bias=None, training=$training, momentum=0.1, "
     "eps=1e-05)"},
    {"aten.instance_norm.default",
     "F.instance_norm(input, running_mean=None, running_var=None, weight=None, bias=None, use_input_stats=True, "
     "momentum=0.1, eps=1e-05)"},
    {"aten.group_norm.default", "F.group_norm(input, num_groups, weight=None, bias=None, eps=1e-05)"},
    {"aten.layer_norm.default", "F.layer_norm(input, normalized_shape, weight=None, bias=None, eps=1e-05)"},
    {"aten.rms_norm.default", "F.rms_norm(input, normalized_shape, weight=None, eps=None)"},
    {"aten.dropout.default", "F.dropout(input, p=0.5, training:train=$training)"},
    {"aten.feature_dropout.default", "torch.feature_dropout(input, p, train=$training)"},
    {"aten.alpha_dropout.default", "torch.alpha_dropout(input, p, train=$training)"},
    {"aten.feature_alpha_dropout.default", "torch.feature_alpha_dropout(input, p, train=$training)"},
    {"aten.relu.default", "F.relu(self)"},
    {"aten.relu6.default", "F.relu6(self)"},
    {"aten.hardtanh.default", "F.relu6(self) [min_val=0, max_val=6]"},
    {"aten.hardtanh.default", "F.hardtanh(self, min_val?-1.0, max_val?1.0)"},
    {"aten.leaky_relu.default", "F.leaky_relu(self, negative_slope=0.01)"},
    {"aten.prelu.default", "F.prelu(self, weight)"},
    {"aten.elu.default", "F.elu(self, alpha=1.0) [scale=1, input_scale=1]"},
    {"aten.celu.default", "F.celu(self, alpha=1.0)"},
    {"aten.selu.default", "F.selu(self)"},
    {"aten.gelu.default", "F.gelu(self, approximate=\"none\")"},
    {"aten.silu.default", "F.silu(self)"},
    {"aten.mish.default", "F.mish(self)"},
    {"aten.hardswish.default", "F.hardswish(self)"},
    {"aten.hardsigmoid.default", "F.hardsigmoid(self)"},
    {"aten.log_sigmoid.default", "F.logsigmoid(self)"},
    {"aten.softplus.default", "F.softplus(self, beta=1, threshold=20)"},
    {"aten.softshrink.default", "F.softshrink(self, lambd=0.5)"},
    {"aten.hardshrink.default", "F.hardshrink(self, lambd=0.5)"},
    {"aten.threshold.default", "F.threshold(self, threshold, value)"},
    {"aten.glu.default", "F.glu(self, dim=-1)"},
    {"aten.softmax.int", "F.softmax(self, dim=None, dtype=None)"},
    {"aten.log_softmax.int", "F.log_softmax(self, dim=None, dtype=None)"},
    {"aten.max_pool1d.default",
     "F.max_pool1d(self, kernel_size#, stride#=@kernel_size, padding#=0, dilation#=1, ceil_mode=False)"},
    {"aten.max_pool2d.default",
     "F.max_pool2d(self, kernel_size#, stride#=@kernel_size, padding#=0, dilation#=1, ceil_mode=False)"},
    {"aten.max_pool3d.default",
     "F.max_pool3d(self, kernel_size#, stride#=@kernel_size, padding#=0, dilation#=1, ceil_mode=False)"},
    {"aten.avg_pool1d.default",
     "F.avg_pool1d(self, kernel_size#, stride#=@kernel_size, padding#=0, ceil_mode=False, count_include_pad=True)"},
    {"aten.avg_pool2d.default",
     "F.avg_pool2d(self, kernel_size#, stride#=@kernel_size, padding#=0, ceil_mode=False, count_include_pad=True, "
     "divisor_override=None)"},
    {"aten.avg_pool3d.default",
     "F.avg_pool3d(self, kernel_size#, stride#=@kernel_size, padding#=0, ceil_mode=False, count_include_pad=True, "
     "divisor_override=None)"},
    {"aten.adaptive_avg_pool1d.default", "F.adaptive_avg_pool1d(self, output_size#)"},
    {"aten.adaptive_avg_pool2d.default", "F.adaptive_avg_pool2d(self, output_size#)"},
    {"aten.adaptive_avg_pool3d.default", "F.adaptive_avg_pool3d(self, output_size#)"},
    {"aten.pad.default", "F.pad(self, pad, mode=\"constant\") [value=0]"},
    {"aten.pad.default", "F.pad(self, pad, mode=\"constant\", value=None)"},
    {"aten.constant_pad_nd.default", "F.pad(self, pad, value=0)"},
    {"aten.pixel_shuffle.default", "F.pixel_shuffle(self, upscale_factor)"},
    {"aten.pixel_unshuffle.default", "F.pixel_unshuffle(self, downscale_factor)"},
    {"aten.channel_shuffle.default", "F.channel_shuffle(self, groups)"},
    {"aten.im2col.default", "F.unfold(self, kernel_size#, dilation#=1, padding#=0, stride#=1)"},
    {"aten.col2im.default", "F.fold(self, output_size, kernel_size#, dilation#=1, padding#=0, stride#=1)"},
    {"aten.scaled_dot_product_attention.default",
     "F.scaled_dot_product_attention(query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, scale=None, "
     "enable_gqa=False)"},
};

}  // namespace

std::span<const OpTemplate> nn_templates() { return kTemplates; }

}  // namespace tinyml::codegen
