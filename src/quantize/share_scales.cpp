#include "tinyml/share_scales.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <optional>
#include <vector>

#include "graph/node_notes.h"
#include "quantize/fake_quant_behind.h"
#include "quantize/observer_settings.h"
#include "quantize/tie_rules.h"
#include "tinyml/quantize.h"

namespace tinyml {
namespace {

using quantization::Tie;
using quantization::tie_rule;

constexpr double kMostCoarser = 1.25;

class Sharing {
 public:
  explicit Sharing(const Graph& graph) : graph_(graph) {}

  Graph run() {
    for (const NodeId id : graph_.nodes()) add_scale(graph_.node(id));
    std::vector<Link> links = find_links();
    std::stable_sort(links.begin(), links.end(), [](const Link& a, const Link& b) { return a.ratio < b.ratio; });
    for (const Link& link : links) join(link.a, link.b);
    for (size_t i = 0; i < scales_.size(); ++i) write(i);
    return std::move(graph_);
  }

 private:
  /// One scale of activations; in a root, of all that share it.
  struct Scale {
    ValueId scale, zero_point;
    TensorScheme scheme;
    float finest;
    double low, high;
    size_t parent;
    bool changes = false;
  };
  struct Link {
    size_t a, b;
    double ratio;
  };

  /// The FakeQuant's scale, where that is data and not a number.
  std::optional<size_t> scale_of(const Node& node) const {
    if (!is_fake_quantize(node) || node.has_arg("axis") || !node.arg("scale").is_value()) return std::nullopt;
    const auto found = by_value_.find(node.arg("scale").as_value());
    return found == by_value_.end() ? std::nullopt : std::optional(found->second);
  }

  void add_scale(const Node& node) {
    if (!is_fake_quantize(node) || node.has_arg("axis") || quantization::is_requantize(node)) return;
    if (!node.arg("scale").is_value() || !node.arg("zero_point").is_value() || !node.arg("self").is_value()) return;
    if (graph_.binding_of(node.arg("self").as_value()) != nullptr) return;  // A weight's.
    const ValueId scale = node.arg("scale").as_value(), zero_point = node.arg("zero_point").as_value();
    const Binding* step = graph_.binding_of(scale);
    const Binding* zero = graph_.binding_of(zero_point);
    if (step == nullptr || zero == nullptr || step->data.numel() != 1 || by_value_.contains(scale)) return;
    const TensorScheme scheme = quantization::read_observer_settings(node, Observer::kMse).scheme;
    const double size = step->data.to_doubles()[0], at = zero->data.to_doubles()[0];
    by_value_.emplace(scale, scales_.size());
    scales_.push_back({scale, zero_point, scheme, static_cast<float>(size),
                       size * (static_cast<double>(scheme.quant_min) - at),
                       size * (static_cast<double>(scheme.quant_max) - at), scales_.size()});
  }

  std::vector<Link> find_links() const {
    std::vector<Link> links;
    for (const NodeId id : graph_.nodes()) {
      const Node& node = graph_.node(id);
      if (node.outputs.size() != 1 || tie_rule(graph_, node).tie != Tie::kConcat) continue;
      const std::vector<NodeId>& readers = graph_.value(node.output()).users;
      if (readers.size() != 1) continue;
      const std::optional<size_t> whole = scale_of(graph_.node(readers[0]));
      if (!whole) continue;
      node.args.at(0).value.for_each_value([&](ValueId part) {
        const Node* behind = quantization::fake_quant_behind(graph_, part);
        const std::optional<size_t> own = behind == nullptr ? std::nullopt : scale_of(*behind);
        if (own && *own != *whole) links.push_back({*own, *whole, coarsening(*own, *whole)});
      });
    }
    return links;
  }

  size_t root(size_t i) const {
    while (scales_[i].parent != i) i = scales_[i].parent;
    return i;
  }

  static ScaleZeroPoint joint(const Scale& a, const Scale& b) {
    return choose_scale(std::min(a.low, b.low), std::max(a.high, b.high), a.scheme);
  }

  /// How much coarser one scale for both is than the finest of what they stand for.
  double coarsening(size_t a, size_t b) const {
    const Scale &x = scales_[a], &y = scales_[b];
    return static_cast<double>(joint(x, y).scale / std::min(x.finest, y.finest));
  }

  void join(size_t a, size_t b) {
    a = root(a), b = root(b);
    Scale &x = scales_[a], &y = scales_[b];
    const bool alike = x.scheme.quant_min == y.scheme.quant_min && x.scheme.quant_max == y.scheme.quant_max &&
                       x.scheme.symmetric == y.scheme.symmetric;
    if (a == b || !alike || coarsening(a, b) > kMostCoarser) return;
    x.changes = x.changes || y.changes || x.low != y.low || x.high != y.high;
    x.low = std::min(x.low, y.low);
    x.high = std::max(x.high, y.high);
    x.finest = std::min(x.finest, y.finest);
    y.parent = a;
  }

  void write(size_t i) {
    const Scale& whole = scales_[root(i)];
    if (!whole.changes) return;
    const ScaleZeroPoint chosen = choose_scale(whole.low, whole.high, whole.scheme);
    graph_.set_binding_data(scales_[i].scale, Tensor::from<float>({chosen.scale}, {1}));
    graph_.set_binding_data(scales_[i].zero_point, Tensor::from<int32_t>({chosen.zero_point}, {1}));
  }

  Graph graph_;
  std::vector<Scale> scales_;
  std::map<ValueId, size_t> by_value_;
};

}  // namespace

Graph share_scales(const Graph& graph) { return Sharing(graph).run(); }

}  // namespace tinyml
