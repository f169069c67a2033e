// scaled_dot_product_attention as products and a softmax.
#include <cmath>

#include "quantize/rewrite.h"
#include "quantize/rewriter.h"

namespace tinyml::quantization {
namespace {

class AttentionRewriter : public Rewriter {
 public:
  using Rewriter::Rewriter;

  ValueId run() {
    if (node().op != "aten.scaled_dot_product_attention.default") return kNoValue;
    if (node().arg("is_causal").as_bool() || node().arg("enable_gqa").as_bool()) return kNoValue;
    const Argument& mask = node().arg("attn_mask");
    if (mask.is_value() && !is_floating_point(type_of(mask.as_value()).type)) return kNoValue;
    ValueId query = node().arg("query").as_value();
    const ValueId key = node().arg("key").as_value();
    const ValueId value = node().arg("value").as_value();
    const TensorType query_type = type_of(query);
    const TensorType key_type = type_of(key);
    const size_t rank = query_type.shape.size();
    if (rank < 2 || key_type.shape.size() != rank) return kNoValue;
    const Argument& scale = node().arg("scale");
    const auto width = static_cast<double>(query_type.sizes().back());
    // Before the product, where it only changes a scale.
    query = binary("aten.mul.Tensor", query, scale.is_none() ? 1 / std::sqrt(width) : scale.as_double());
    TensorType turned = key_type;
    std::swap(turned.shape[rank - 1], turned.shape[rank - 2]);
    const ValueId columns = emit("aten.transpose.int", {{"self", key}, {"dim0", -2}, {"dim1", -1}}, turned);
    TensorType scores_type = query_type;
    scores_type.shape[rank - 1] = key_type.shape[rank - 2];
    ValueId scores = emit("aten.matmul.default", {{"self", query}, {"other", columns}}, scores_type);
    if (mask.is_value()) scores = binary("aten.add.Tensor", scores, mask);
    const ValueId weights = emit("aten.softmax.int", {{"self", scores}, {"dim", -1}}, scores_type);
    return emit("aten.matmul.default", {{"self", weights}, {"other", value}}, type_of(node().outputs.at(0)));
  }
};

}  // namespace

bool rewrite_attention(Graph& graph, NodeId id) { return replace(graph, id, AttentionRewriter(graph, id).run()); }

}  // namespace tinyml::quantization
