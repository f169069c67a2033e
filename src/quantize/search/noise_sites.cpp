#include "quantize/search/noise_sites.h"

#include <algorithm>
#include <map>
#include <set>

#include "graph/node_notes.h"

namespace tinyml::quantization {
namespace {

class Finder {
 public:
  Finder(const Graph& graph, const std::vector<LayerPrecision>& layers) : graph_(graph) {
    std::map<std::string, size_t> by_result;
    for (size_t i = 0; i < layers.size(); ++i) {
      for (const std::string& result : layers[i].results) by_result.emplace(result, i);
    }
    for (const NodeId id : graph.nodes()) {
      for (const ValueId output : graph.node(id).outputs) {
        if (output == kNoValue) continue;
        if (const auto found = by_result.find(graph.value(output).name); found != by_result.end())
          layer_of_.emplace(id, found->second);
      }
    }
    mark_dynamic();
  }

  std::vector<NoiseSite> find() {
    std::map<ValueId, size_t> by_scale;
    for (const NodeId id : graph_.nodes()) {
      const Node& node = graph_.node(id);
      if (!is_fake_quantize(node)) continue;
      const ValueId input = node.arg("self").as_value();
      const bool weight = !dynamic_.contains(input);
      const Argument& scale = node.arg("scale");
      const size_t next = sites_.size();
      const size_t index = scale.is_value() ? by_scale.try_emplace(scale.as_value(), next).first->second : next;
      if (index == next) sites_.push_back({graph_.value(node.output()).name, weight, {}, {}});
      NoiseSite& site = sites_[index];
      site.fake_quants.push_back(id);
      std::set<size_t> found(site.layers.begin(), site.layers.end());
      if (!weight) add_makers(input, found);
      add_readers(node.output(), found);
      site.layers.assign(found.begin(), found.end());
    }
    return std::move(sites_);
  }

 private:
  void mark_dynamic() {
    for (const Input& input : graph_.inputs()) dynamic_.insert(input.value);
    for (const NodeId id : graph_.nodes()) {
      bool any = false;
      for (const NamedArgument& arg : graph_.node(id).args) {
        arg.value.for_each_value([&](ValueId value) { any = any || dynamic_.contains(value); });
      }
      if (any) dynamic_.insert(graph_.node(id).outputs.begin(), graph_.node(id).outputs.end());
    }
  }

  /// Back through what only moves data; a concatenation's parts that have no scale of their own have its.
  void add_makers(ValueId value, std::set<size_t>& found) const {
    const NodeId id = graph_.value(value).producer;
    if (id == kNoNode || is_fake_quantize(graph_.node(id))) return;
    const Node& node = graph_.node(id);
    const auto layer = layer_of_.find(id);
    if (layer != layer_of_.end()) {
      found.insert(layer->second);
      if (node.op.find("cat") == std::string::npos && node.op.find("stack") == std::string::npos) return;
    }
    if (node.args.empty()) return;
    node.args[0].value.for_each_value([&](ValueId part) { add_makers(part, found); });
  }

  void add_readers(ValueId value, std::set<size_t>& found) const {
    for (const NodeId user : graph_.value(value).users) {
      if (const auto layer = layer_of_.find(user); layer != layer_of_.end()) {
        found.insert(layer->second);
      } else if (!is_fake_quantize(graph_.node(user))) {
        for (const ValueId output : graph_.node(user).outputs) {
          if (output != kNoValue) add_readers(output, found);
        }
      }
    }
  }

  const Graph& graph_;
  std::map<NodeId, size_t> layer_of_;
  std::set<ValueId> dynamic_;
  std::vector<NoiseSite> sites_;
};

}  // namespace

std::vector<NoiseSite> find_noise_sites(const Graph& quantized, const std::vector<LayerPrecision>& layers) {
  return Finder(quantized, layers).find();
}

Graph keep_site(const Graph& quantized, const NoiseSite& site) {
  Graph graph = quantized;
  for (const NodeId id : graph.nodes()) {
    const Node& node = graph.node(id);
    const bool kept = std::find(site.fake_quants.begin(), site.fake_quants.end(), id) != site.fake_quants.end();
    if (is_fake_quantize(node) && !kept) graph.replace_all_uses(node.output(), node.arg("self").as_value());
  }
  return graph;
}

}  // namespace tinyml::quantization
