#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "quantize/layer_rules.h"
#include "quantize/layers/layer_file.h"
#include "tinyml/atomic_file.h"
#include "tinyml/suggest.h"

namespace tinyml {
namespace {

using namespace quantization;

/// "int8" -> 8; nothing for other words and widths.
std::optional<int> bits_of(const std::string& precision, int most) {
  if (!precision.starts_with("int") || precision.size() > 5) return std::nullopt;
  const std::string digits = precision.substr(3);
  if (digits.empty() || digits[0] == '0' ||
      !std::all_of(digits.begin(), digits.end(), [](char c) { return c >= '0' && c <= '9'; }))
    return std::nullopt;
  const int bits = std::stoi(digits);
  return bits >= 2 && bits <= most ? std::optional(bits) : std::nullopt;
}

class Applier {
 public:
  Applier(const Graph& graph, const QuantizationScheme& scheme, bool weights_only)
      : graph_(graph), scheme_(scheme), weights_only_(weights_only), layers_(list_layers(graph, scheme, weights_only)) {
    for (const NodeId id : graph.nodes()) {
      if (const ValueId result = graph.node(id).outputs.empty() ? kNoValue : graph.node(id).outputs[0];
          result != kNoValue)
        makers_.emplace(graph.value(result).name, id);
    }
  }

  const std::vector<LayerPrecision>& layers() const { return layers_; }

  QuantizationScheme apply(const std::string& text, const std::string& path) {
    const LayerFile file = read(text, path);
    if (!quantization::is_edited(file)) return scheme_;
    check_fresh(file, path);
    QuantizationScheme result = scheme_;
    const auto kinds = operator_lines(layers_);
    for (const LayerPrecision& layer : layers_) {
      const LayerLine& line = *file.find_layer(layer.name);
      check_names(layer, line);
      const LayerRule rule = resolve(layer, line, file, kinds);
      for (const std::string& name : layer.results) result.by_result[name] = rule;
    }
    throw_problems(fmt::format("'{}' does not fit the model.", path));
    return result;
  }

  /// Whether the file says anything beside what was written into it.
  bool is_edited(const std::string& text, const std::string& path) { return quantization::is_edited(read(text, path)); }

 private:
  LayerFile read(const std::string& text, const std::string& path) {
    LayerFile file = parse_layer_file(text, problems_);
    throw_problems(fmt::format("'{}' is not a valid layer-wise configuration.", path));
    return file;
  }

  void problem(std::string what, std::string remedy) {
    problems_.push_back({std::move(what), "", {}, std::move(remedy)});
  }
  void throw_problems(const std::string& summary) {
    if (!problems_.empty()) throw Error(summary, std::move(problems_));
  }

  /// Layers and kinds that do not exist are mistakes of the editor where the rest fits, else signs of another model.
  void check_fresh(const LayerFile& file, const std::string& path) {
    std::vector<std::string> names;
    std::vector<std::string> kinds;
    for (const LayerPrecision& layer : layers_) names.push_back(layer.name);
    for (const auto& [op, line] : operator_lines(layers_)) kinds.push_back(op);
    for (const auto& [name, line] : file.layers) {
      if (std::find(names.begin(), names.end(), name) != names.end()) continue;
      problem(fmt::format("the model has no layer '{}'", name), suggestion(name, names));
    }
    for (const auto& [op, line] : file.operators) {
      if (std::find(kinds.begin(), kinds.end(), op) != kinds.end()) continue;
      problem(fmt::format("the model has no operator '{}' whose precision can be chosen", op),
              suggestion(op, kinds, fmt::format("it has {}", fmt::join(kinds, ", "))));
    }
    for (const std::string& name : names) {
      if (file.find_layer(name) == nullptr) problem(fmt::format("the file has no line for the layer '{}'", name), "");
    }
    if (problems_.empty() && file.written.size() != layers_.size()) problem("'written' is damaged", "");
    for (size_t i = 0; problems_.empty() && i < layers_.size(); ++i) {
      const auto was = quantized(file.written[i].first, file.written[i].second);
      const auto is = quantized(layers_[i].precision, layers_[i].weight);
      if (was != is)
        problem(fmt::format("the configuration gave '{}' {}, it gives {} now", layers_[i].name, was, is), "");
    }
    throw_problems(
        fmt::format("'{}' was edited, and written for another model or configuration than this one. Bring it in "
                    "line, delete it to have it written anew (edits are lost), or set ignore_layerwise_config.",
                    path));
  }

  static std::string quantized(const std::string& precision, const std::string& weight) {
    if (precision.empty()) return fmt::format("{} weights", weight);
    return weight.empty() || precision == "float" ? precision : fmt::format("{} with {} weights", precision, weight);
  }

  void check_names(const LayerPrecision& layer, const LayerLine& line) {
    if (line.op == layer.op && line.type == layer.type) return;
    problem(
        fmt::format("'{}' was {} {}, it is {} {}", layer.name, line.op, line.type, layer.op, layer.type),
        "'operator' and 'type' say what the layer is and cannot be edited; delete the file if the model has changed");
  }

  /// What holds for a layer: its own line where that was edited, else the line of its kind where that was.
  LayerRule resolve(const LayerPrecision& layer, const LayerLine& line, const LayerFile& file,
                    const std::vector<std::pair<std::string, LayerLine>>& kinds) {
    LayerLine wanted = {"", "", layer.precision, layer.weight, {}};
    std::string where = "layers." + layer.name;
    if (const auto kind = file.operators.find(layer.op); kind != file.operators.end() && can_follow(layer)) {
      const auto original =
          std::find_if(kinds.begin(), kinds.end(), [&](const auto& entry) { return entry.first == layer.op; });
      TINYML_CHECK(original != kinds.end());
      if (kind->second.precision != original->second.precision) wanted.precision = kind->second.precision;
      if (kind->second.weight != original->second.weight) wanted.weight = kind->second.weight;
      wanted.settings = kind->second.settings;
      if (!(wanted.precision == layer.precision && wanted.weight == layer.weight)) where = "operators." + layer.op;
    }
    if (line.precision != layer.precision || line.weight != layer.weight) {
      wanted.precision = line.precision;
      wanted.weight = line.weight;
      where = "layers." + layer.name;
    }
    for (const auto& [key, value] : line.settings) wanted.settings[key] = value;
    return rule_for(layer, wanted, where);
  }

  /// A layer without an integer form is no obstacle to an edit of its kind, if others of the kind have one.
  bool can_follow(const LayerPrecision& layer) const {
    return layer.reason.empty() || std::none_of(layers_.begin(), layers_.end(), [&](const LayerPrecision& other) {
             return other.op == layer.op && other.reason.empty();
           });
  }

  LayerRule rule_for(const LayerPrecision& layer, const LayerLine& wanted, const std::string& where) {
    const Node& node = graph_.node(makers_.at(layer.results.at(0)));
    LayerRule rule;
    rule.pattern = layer.name;
    rule.activation = activation_scheme(graph_, scheme_, node);
    rule.weight = weight_scheme(graph_, scheme_, node);
    const bool is_float = weights_only_ ? wanted.weight == "float" : wanted.precision == "float";
    if (!layer.reason.empty() && !is_float) {
      problem(fmt::format("'{}' is {}, but the layer can only be float: {}", where, wanted.precision, layer.reason),
              "");
      return rule;
    }
    read_settings(wanted, where, rule);
    rule.ignore = is_float;
    if (is_float) return rule;
    if (wanted.precision != layer.precision) read_precision(wanted, where, rule);
    if (layer.weight.empty()) {
      if (!wanted.weight.empty())
        problem(fmt::format("'{}' has a weight, the layer has none", where), "remove 'weight'");
    } else if (wanted.weight == "float" || wanted.weight.empty()) {
      const bool follows = layer.weight == "float";  // it was a float layer: the configuration's weights
      if (!follows)
        problem(fmt::format("'{}' has float weights, but {} activations", where, wanted.precision),
                "write precision: float, or weight: int8");
    } else if (wanted.weight == layer.weight) {
      return rule;
    } else if (const std::optional<int> bits = bits_of(wanted.weight, 8)) {
      rule.weight = with_bits(*rule.weight, *bits, true);
      rule.weight->channel_ranges.clear();
    } else {
      problem(fmt::format("'{}' has the weight '{}'", where, wanted.weight), "float, or int2 to int8");
    }
    return rule;
  }

  void read_precision(const LayerLine& wanted, const std::string& where, LayerRule& rule) {
    if (const std::optional<int> bits = bits_of(wanted.precision, 16)) {
      rule.activation = with_bits(*rule.activation, *bits, false);
      return;
    }
    problem(fmt::format("'{}' has the precision '{}'", where, wanted.precision),
            "float, int8 or int16 (any of int2 to int16)");
  }

  /// The further keys have the meaning and the checks of the configuration's own.
  void read_settings(const LayerLine& wanted, const std::string& where, LayerRule& rule) {
    if (wanted.settings.empty()) return;
    std::string text;
    for (const auto& [key, value] : wanted.settings) text += fmt::format("{}: {}\n", key, value);
    QuantizationScheme read;
    try {
      read = parse_scheme(text);
    } catch (const Error& error) {
      for (const Diagnostic& found : error.diagnostics())
        problem(fmt::format("{}: {}", where, found.what), found.remedy);
      return;
    }
    const auto& given = wanted.settings;
    if (given.contains("algorithm") || given.contains("observer")) rule.activation->observer = read.activation.observer;
    if (given.contains("percentile")) rule.activation->percentile = read.activation.percentile;
    if (given.contains("momentum")) rule.activation->momentum = read.activation.momentum;
    if (given.contains("asymmetric")) rule.activation->symmetric = read.activation.symmetric;
    if (given.contains("per_tensor")) rule.weight->per_channel = read.weight.per_channel;
  }

  const Graph& graph_;
  const QuantizationScheme& scheme_;
  bool weights_only_;
  std::vector<LayerPrecision> layers_;
  std::map<std::string, NodeId> makers_;
  std::vector<Diagnostic> problems_;
};

}  // namespace

QuantizationScheme apply_layer_config(const std::string& text, const std::string& path, const Graph& graph,
                                      const QuantizationScheme& scheme, bool weights_only) {
  return Applier(graph, scheme, weights_only).apply(text, path);
}

QuantizationScheme sync_layer_config(const std::filesystem::path& path, const Graph& graph,
                                     const QuantizationScheme& scheme, bool weights_only) {
  Applier applier(graph, scheme, weights_only);
  const std::string fresh = layer_config_text(applier.layers());
  if (!std::filesystem::exists(path)) {
    write_file(path, fresh);
    return scheme;
  }
  const std::string text = read_file(path, "layer-wise configuration");
  if (applier.is_edited(text, path.string())) return applier.apply(text, path.string());
  if (text != fresh) write_file(path, fresh);
  return scheme;
}

}  // namespace tinyml
