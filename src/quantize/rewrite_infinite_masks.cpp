#include <algorithm>
#include <cmath>
#include <optional>

#include "quantize/dynamic_values.h"
#include "quantize/insert_fake_quant.h"
#include "quantize/rewriter.h"

namespace tinyml::quantization {
namespace {

/// A constant summand's minus infinities, and the rest of it where that is not zero.
struct Mask {
  Tensor hidden;  ///< Bool.
  std::optional<Tensor> finite;
};

std::optional<Mask> split_mask(const Tensor& summand) {
  const Tensor values = summand.to(ScalarType::kFloat32);
  const std::span<const float> data = values.data<float>();
  const auto is_hidden = [](float value) { return std::isinf(value) && value < 0; };
  if (std::none_of(data.begin(), data.end(), is_hidden)) return std::nullopt;
  Mask mask{Tensor(ScalarType::kBool, summand.shape()), std::nullopt};
  bool* hidden = mask.hidden.mutable_data<bool>();
  Tensor finite(ScalarType::kFloat32, summand.shape());
  float* rest = finite.mutable_data<float>();
  bool is_zero = true;
  for (size_t i = 0; i < data.size(); ++i) {
    hidden[i] = is_hidden(data[i]);
    rest[i] = hidden[i] ? 0.0F : data[i];
    is_zero = is_zero && rest[i] == 0.0F;
  }
  if (!is_zero) mask.finite = finite;
  return mask;
}

class MaskRewriter : Rewriter {
 public:
  using Rewriter::Rewriter;

  ValueId run(const std::vector<bool>& is_dynamic) {
    if (!node().arg("self").is_value() || !node().arg("other").is_value()) return kNoValue;
    ValueId scores = node().arg("self").as_value();
    ValueId summand = node().arg("other").as_value();
    if (!is_dynamic[index_of(scores)]) std::swap(scores, summand);
    if (!is_dynamic[index_of(scores)] || is_dynamic[index_of(summand)]) return kNoValue;
    if (node().arg("alpha").as_double() != 1.0) return kNoValue;
    if (type_of(scores).type != ScalarType::kFloat32 || type_of(scores).shape != type_of(node().output()).shape) {
      return kNoValue;
    }
    const std::optional<Mask> mask = split_mask(constant_value(graph(), summand));
    if (!mask) return kNoValue;
    const std::string name = graph().value(summand).name;
    if (mask->finite) {
      scores = binary("aten.add.Tensor", scores, constant(name + "_finite", *mask->finite, BindingKind::kBuffer));
    }
    const ValueId hidden = constant(name + "_hidden", mask->hidden, BindingKind::kBuffer);
    return emit("aten.masked_fill.Scalar", {{"self", scores}, {"mask", hidden}, {"value", -INFINITY}}, type_of(scores));
  }
};

}  // namespace

int rewrite_infinite_masks(Graph& graph, const Wanted& wanted) {
  int changes = 0;
  std::vector<bool> is_dynamic;  // of the values before
  for (const NodeId id : graph.nodes()) {
    if (graph.node(id).op != "aten.add.Tensor" || !wanted(graph.node(id))) continue;
    if (is_dynamic.empty()) is_dynamic = find_dynamic_values(graph);
    is_dynamic.resize(graph.value_limit(), true);
    changes += replace(graph, id, MaskRewriter(graph, id).run(is_dynamic)) ? 1 : 0;
  }
  if (changes > 0) graph.erase_dead_nodes();
  return changes;
}

}  // namespace tinyml::quantization
