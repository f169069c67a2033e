#include "prune/layer_rows.h"

namespace tinyml::prune {
namespace {

/// The numbers of the last `count` spatial dimensions, one given for all repeated; ones before the first stand in
/// front.
void spread(const Argument& argument, size_t count, int64_t (&out)[2]) {
  const std::vector<int64_t> given = argument.is_int() ? std::vector<int64_t>{argument.as_int()} : argument.as_ints();
  for (size_t i = 0; i < count; ++i) out[2 - count + i] = given.size() == 1 ? given[0] : given[i];
}

/// The parameter behind a value that this node alone reads, or nullptr.
const Binding* own_parameter(const Graph& graph, const Argument& argument) {
  if (!argument.is_value()) return nullptr;
  const Binding* binding = graph.binding_of(argument.as_value());
  if (binding == nullptr || binding->kind != BindingKind::kParameter) return nullptr;
  for (const Binding& other : graph.bindings()) {
    const bool is_tied = other.value != binding->value && other.data.defined() &&
                         other.data.storage().data() == binding->data.storage().data() &&
                         other.data.offset() == binding->data.offset();
    if (is_tied) return nullptr;
  }
  return graph.value(binding->value).users.size() == 1 ? binding : nullptr;
}

}  // namespace

std::optional<LayerRows> LayerRows::of(const Graph& graph, NodeId id) {
  const Node& node = graph.node(id);
  const bool is_conv = node.op == "aten.conv1d.default" || node.op == "aten.conv2d.default" ||
                       node.op == "aten.conv1d.padding" || node.op == "aten.conv2d.padding";
  if (!is_conv && node.op != "aten.linear.default") return std::nullopt;
  LayerRows rows;
  rows.is_linear_ = !is_conv;
  if (!node.arg("input").is_value()) return std::nullopt;
  const Binding* weight = own_parameter(graph, node.arg("weight"));
  if (weight == nullptr || !is_floating_point(weight->data.type())) return std::nullopt;
  if (node.arg("bias").is_value()) {
    const Binding* bias = own_parameter(graph, node.arg("bias"));
    if (bias == nullptr) return std::nullopt;
    rows.bias_ = bias->value;
  }
  rows.input_ = node.arg("input").as_value();
  rows.output_ = node.output();
  rows.weight_ = weight->value;
  rows.columns_ = weight->data.numel() / weight->data.size(0);
  rows.output_rank_ = graph.tensor_type(rows.output_).rank();
  if (!is_conv) return weight->data.rank() == 2 ? std::optional(rows) : std::nullopt;
  const auto spatial = static_cast<size_t>(weight->data.rank() - 2);
  if (node.arg("groups").as_int() != 1 || rows.output_rank_ != weight->data.rank()) return std::nullopt;
  for (size_t i = 0; i < spatial; ++i) rows.kernel_[2 - spatial + i] = weight->data.size(static_cast<int64_t>(2 + i));
  spread(node.arg("stride"), spatial, rows.stride_);
  spread(node.arg("dilation"), spatial, rows.dilation_);
  const Argument& padding = node.arg("padding");
  if (!padding.is_string()) {
    spread(padding, spatial, rows.padding_);
  } else if (padding.as_string() == "same") {
    for (size_t i = 0; i < 2; ++i) rows.padding_[i] = rows.dilation_[i] * (rows.kernel_[i] - 1) / 2;
  }
  return rows;
}

void LayerRows::read_inputs(const Tensor& input, const Tensor& output, const std::vector<int64_t>& positions,
                            Eigen::Ref<Eigen::MatrixXd> rows) const {
  const double* in = input.data<double>().data();
  if (is_linear_) {
    for (size_t r = 0; r < positions.size(); ++r) {
      const double* from = in + positions[r] * columns_;
      for (int64_t c = 0; c < columns_; ++c) rows(static_cast<Eigen::Index>(r), c) = from[c];
    }
    return;
  }
  const bool flat = output_rank_ == 3;
  const int64_t channels = input.size(1), height = flat ? 1 : input.size(2), width = input.size(-1);
  const int64_t out_height = flat ? 1 : output.size(2), out_width = output.size(-1);
  for (size_t r = 0; r < positions.size(); ++r) {
    const int64_t x = positions[r] % out_width, y = positions[r] / out_width % out_height;
    const double* image = in + positions[r] / (out_width * out_height) * channels * height * width;
    Eigen::Index column = 0;
    for (int64_t c = 0; c < channels; ++c) {
      for (int64_t ky = 0; ky < kernel_[0]; ++ky) {
        const int64_t iy = y * stride_[0] - padding_[0] + ky * dilation_[0];
        for (int64_t kx = 0; kx < kernel_[1]; ++kx, ++column) {
          const int64_t ix = x * stride_[1] - padding_[1] + kx * dilation_[1];
          const bool is_inside = iy >= 0 && iy < height && ix >= 0 && ix < width;
          rows(static_cast<Eigen::Index>(r), column) = is_inside ? image[(c * height + iy) * width + ix] : 0.0;
        }
      }
    }
  }
}

void LayerRows::read_outputs(const Tensor& output, const std::vector<int64_t>& positions,
                             const std::vector<int64_t>& channels, Eigen::Ref<Eigen::MatrixXd> rows) const {
  const double* from = output.data<double>().data();
  const int64_t count = output.size(channel_dim());
  const int64_t inner = is_linear_ ? 1 : output.numel() / (output.size(0) * count);
  for (size_t r = 0; r < positions.size(); ++r) {
    const double* base = from + positions[r] / inner * count * inner + positions[r] % inner;
    for (size_t c = 0; c < channels.size(); ++c) {
      rows(static_cast<Eigen::Index>(r), static_cast<Eigen::Index>(c)) = base[channels[c] * inner];
    }
  }
}

}  // namespace tinyml::prune
