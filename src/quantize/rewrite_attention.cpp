// scaled_dot_product_attention as products and a softmax.
#include <algorithm>
#include <cmath>

#include "quantize/rewrite.h"
#include "quantize/rewriter.h"

namespace tinyml::quantization {
namespace {

/// What a score is that must not count: its exponential is zero, and sums of two stay finite.
constexpr double kMasked = -1e30;

class AttentionRewriter : public Rewriter {
 public:
  using Rewriter::Rewriter;

  ValueId run() {
    if (node().op != "aten.scaled_dot_product_attention.default") return kNoValue;
    ValueId query = node().arg("query").as_value();
    const TensorType query_type = type_of(query);
    const TensorType key_type = type_of(node().arg("key").as_value());
    const size_t rank = query_type.shape.size();
    if (rank < 2 || key_type.shape.size() != rank) return kNoValue;
    const bool causal = node().arg("is_causal").as_bool();
    if (causal && !(query_type.shape[rank - 2].is_static() && key_type.shape[rank - 2].is_static())) return kNoValue;
    ValueId key = node().arg("key").as_value();
    ValueId value = node().arg("value").as_value();
    if (node().arg("enable_gqa").as_bool()) {
      if (rank < 3 || !query_type.is_static() || !key_type.is_static()) return kNoValue;
      key = for_each_query_head(key, query_type.sizes()[rank - 3]);
      value = for_each_query_head(value, query_type.sizes()[rank - 3]);
    }
    const Argument& scale = node().arg("scale");
    const auto width = static_cast<double>(query_type.sizes().back());
    // Before the product, where it only changes a scale.
    query = binary("aten.mul.Tensor", query, scale.is_none() ? 1 / std::sqrt(width) : scale.as_double());
    TensorType turned = type_of(key);
    std::swap(turned.shape[rank - 1], turned.shape[rank - 2]);
    const ValueId columns = emit("aten.transpose.int", {{"self", key}, {"dim0", -2}, {"dim1", -1}}, turned);
    TensorType scores_type = query_type;
    scores_type.shape[rank - 1] = key_type.shape[rank - 2];
    ValueId scores = emit("aten.matmul.default", {{"self", query}, {"other", columns}}, scores_type);
    scores = causal ? without(scores, later_keys(scores_type.sizes())) : masked(scores);
    const ValueId weights = emit("aten.softmax.int", {{"self", scores}, {"dim", -1}}, scores_type);
    return emit("aten.matmul.default", {{"self", weights}, {"other", value}}, type_of(node().outputs.at(0)));
  }

 private:
  /// Keys or values of fewer heads than queries, each repeated for its group of neighbouring queries' heads.
  ValueId for_each_query_head(ValueId x, int64_t heads) {
    TensorType type = type_of(x);
    const size_t axis = type.shape.size() - 3;
    const int64_t repeats = heads / type.sizes()[axis];
    if (repeats == 1) return x;
    type.shape[axis] = Dim(heads);
    return emit("aten.repeat_interleave.self_int", {{"self", x}, {"repeats", repeats}, {"dim", -3}}, type);
  }

  ValueId masked(ValueId scores) {
    const Argument& mask = node().arg("attn_mask");
    if (!mask.is_value()) return scores;
    const TensorType type = type_of(mask.as_value());
    if (type.type != ScalarType::kBool) return binary("aten.add.Tensor", scores, mask);
    return without(scores, emit("aten.logical_not.default", {{"self", mask}}, type));
  }

  ValueId without(ValueId scores, ValueId hidden) {
    return emit("aten.masked_fill.Scalar", {{"self", scores}, {"mask", hidden}, {"value", kMasked}}, type_of(scores));
  }

  /// [queries, keys]: query i sees keys 0 to i.
  ValueId later_keys(const std::vector<int64_t>& sizes) {
    const int64_t queries = sizes[sizes.size() - 2];
    const int64_t keys = sizes.back();
    Tensor later(ScalarType::kBool, {queries, keys});
    bool* data = later.mutable_data<bool>();
    for (int64_t i = 0; i < queries; ++i) {
      for (int64_t j = 0; j < keys; ++j) data[i * keys + j] = j > i;
    }
    return constant("later_keys", std::move(later));
  }
};

}  // namespace

bool rewrite_attention(Graph& graph, NodeId id) { return replace(graph, id, AttentionRewriter(graph, id).run()); }

}  // namespace tinyml::quantization
