// Normalizations over the input's own statistics, as means, differences, squares and a reciprocal root.
#include <limits>
#include <numeric>

#include "quantize/rewrite.h"
#include "quantize/rewriter.h"

namespace tinyml::quantization {
namespace {

class NormRewriter : public Rewriter {
 public:
  using Rewriter::Rewriter;

  ValueId run() {
    const std::string& op = node().op;
    if (op == "aten.layer_norm.default" || op == "aten.rms_norm.default")
      return over_last(op == "aten.rms_norm.default");
    if (op == "aten.group_norm.default") return over_groups();
    if (op == "aten.instance_norm.default") return over_positions();
    return kNoValue;
  }

 private:
  ValueId over_last(bool root_mean_square) {
    const ValueId x = node().arg("input").as_value();
    const auto rank = type_of(x).rank();
    const auto count = static_cast<int64_t>(node().arg("normalized_shape").as_list().size());
    std::vector<int64_t> axes(static_cast<size_t>(count));
    std::iota(axes.begin(), axes.end(), rank - count);
    const Argument& eps = node().arg("eps");
    const double epsilon = eps.is_none() ? static_cast<double>(std::numeric_limits<float>::epsilon()) : eps.as_double();
    ValueId y = normalized(x, axes, epsilon, !root_mean_square);
    if (node().arg("weight").is_value()) y = binary("aten.mul.Tensor", y, node().arg("weight"));
    if (!root_mean_square && node().arg("bias").is_value()) y = binary("aten.add.Tensor", y, node().arg("bias"));
    return y;
  }

  ValueId over_groups() {
    const ValueId x = node().arg("input").as_value();
    const TensorType type = type_of(x);
    if (!type.is_static()) return kNoValue;
    const std::vector<int64_t> sizes = type.sizes();
    const int64_t groups = node().arg("num_groups").as_int();
    const int64_t inside = std::accumulate(sizes.begin() + 1, sizes.end(), int64_t{1}, std::multiplies<>()) / groups;
    const ValueId rows = reshape(x, {sizes[0], groups, inside});
    return affine(reshape(normalized(rows, {2}, node().arg("eps").as_double(), true), sizes));
  }

  ValueId over_positions() {
    const ValueId x = node().arg("input").as_value();
    if (!node().arg("use_input_stats").as_bool() || type_of(x).rank() < 3) return kNoValue;
    std::vector<int64_t> axes(static_cast<size_t>(type_of(x).rank() - 2));
    std::iota(axes.begin(), axes.end(), 2);
    return affine(normalized(x, axes, node().arg("eps").as_double(), true));
  }

  ValueId normalized(ValueId x, const std::vector<int64_t>& axes, double epsilon, bool centred) {
    if (centred) x = binary("aten.sub.Tensor", x, mean(x, axes));
    const ValueId variance = mean(binary("aten.mul.Tensor", x, x), axes);
    const ValueId shifted = binary("aten.add.Tensor", variance, epsilon);
    return binary("aten.mul.Tensor", x, unary("aten.rsqrt.default", shifted));
  }

  ValueId mean(ValueId x, const std::vector<int64_t>& axes) {
    TensorType type = type_of(x);
    for (const int64_t axis : axes) type.shape[static_cast<size_t>(axis)] = Dim(1);
    return emit("aten.mean.dim", {{"self", x}, {"dim", Argument::ints(axes)}, {"keepdim", true}}, type);
  }

  /// A weight and bias for each channel, dimension 1.
  ValueId affine(ValueId x) {
    std::vector<int64_t> shape(static_cast<size_t>(type_of(x).rank()), 1);
    for (const auto& [name, op] : {std::pair{"weight", "aten.mul.Tensor"}, std::pair{"bias", "aten.add.Tensor"}}) {
      if (!node().arg(name).is_value()) continue;
      const ValueId given = node().arg(name).as_value();
      shape[1] = type_of(given).sizes().at(0);
      x = binary(op, x, reshape(given, shape));
    }
    return x;
  }
};

}  // namespace

bool rewrite_norm(Graph& graph, NodeId id) { return replace(graph, id, NormRewriter(graph, id).run()); }

}  // namespace tinyml::quantization
