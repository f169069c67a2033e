#include "quantize/layers/layer_file.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <functional>
#include <set>

#include "tinyml/suggest.h"

namespace tinyml::quantization {
namespace {

constexpr const char* kFormat = "tinyml.layers";
constexpr size_t kMostLayers = 1000000;

using Handlers = std::map<std::string, std::function<void(const YAML::Node&)>>;

class Reader {
 public:
  explicit Reader(std::vector<Diagnostic>& problems) : problems_(problems) {}

  LayerFile read(const YAML::Node& root) {
    LayerFile file;
    std::string format;
    std::string version;
    read_mapping(root, "the file",
                 {{"format", [&](const YAML::Node& node) { format = text_of(node, "format"); }},
                  {"version", [&](const YAML::Node& node) { version = text_of(node, "version"); }},
                  {"written", [&](const YAML::Node& node) { file.written = read_written(text_of(node, "written")); }},
                  {"operators",
                   [&](const YAML::Node& node) {
                     const auto lines = read_lines(node, "operators", false);
                     file.operators.insert(lines.begin(), lines.end());
                   }},
                  {"layers", [&](const YAML::Node& node) { file.layers = read_lines(node, "layers", true); }}});
    if (format != kFormat || version != "1") {
      problem(fmt::format("it does not say 'format: {}' and 'version: 1'", kFormat),
              "delete the file to have it written anew");
    }
    return file;
  }

 private:
  void problem(std::string what, std::string remedy) {
    problems_.push_back({std::move(what), "", {}, std::move(remedy)});
  }

  std::string text_of(const YAML::Node& node, const std::string& where) {
    if (node.IsScalar()) return node.Scalar();
    problem(fmt::format("'{}' is not one value", where), "");
    return "";
  }

  void read_mapping(const YAML::Node& node, const std::string& where, const Handlers& handlers) {
    if (!node.IsMap()) return problem(fmt::format("{} is not a mapping", where), "");
    std::vector<std::string> seen;
    for (const auto& entry : node) {
      const std::string key = text_of(entry.first, where);
      if (std::find(seen.begin(), seen.end(), key) != seen.end()) {
        problem(fmt::format("'{}' stands twice in {}", key, where), "");
      }
      seen.push_back(key);
      if (const auto handler = handlers.find(key); handler != handlers.end()) {
        handler->second(entry.second);
        continue;
      }
      std::vector<std::string> known;
      for (const auto& [name, unused] : handlers) known.push_back(name);
      problem(fmt::format("unknown key '{}' in {}", key, where),
              suggestion(key, known, fmt::format("known keys: {}", fmt::join(known, ", "))));
    }
  }

  std::vector<std::pair<std::string, LayerLine>> read_lines(const YAML::Node& node, const std::string& section,
                                                            bool layers) {
    std::vector<std::pair<std::string, LayerLine>> lines;
    if (node.IsNull()) return lines;
    if (!node.IsMap()) {
      problem(fmt::format("'{}' is not a mapping", section), "");
      return lines;
    }
    std::set<std::string> seen;
    for (const auto& entry : node) {
      const std::string name = text_of(entry.first, section);
      if (!seen.insert(name).second) problem(fmt::format("'{}' stands twice in '{}'", name, section), "");
      lines.emplace_back(name, read_line(entry.second, section + "." + name, layers));
    }
    return lines;
  }

  LayerLine read_line(const YAML::Node& node, const std::string& where, bool layer) {
    LayerLine line;
    const auto take = [&](std::string& into) {
      return [this, &into, where](const YAML::Node& value) { into = text_of(value, where); };
    };
    Handlers handlers = {{"precision", take(line.precision)}, {"weight", take(line.weight)}};
    if (layer) {
      handlers.emplace("operator", take(line.op));
      handlers.emplace("type", take(line.type));
    }
    for (const char* key : {"algorithm", "observer", "percentile", "momentum", "asymmetric", "per_tensor"}) {
      handlers.emplace(key, [&line, key](const YAML::Node& value) { line.settings[key] = YAML::Dump(value); });
    }
    read_mapping(node, "'" + where + "'", handlers);
    return line;
  }

  /// "int8/int8*3 float": runs of layers with the same precision and weight.
  std::vector<std::pair<std::string, std::string>> read_written(const std::string& text) {
    std::vector<std::pair<std::string, std::string>> written;
    size_t from = 0;
    while (from < text.size()) {
      const size_t space = std::min(text.find(' ', from), text.size());
      std::string word = text.substr(from, space - from);
      from = space + 1;
      if (word.empty()) continue;
      size_t count = 1;
      if (const size_t star = word.find('*'); star != std::string::npos) {
        const std::string digits = word.substr(star + 1);
        const bool number = !digits.empty() && digits.size() < 7 &&
                            std::all_of(digits.begin(), digits.end(), [](char c) { return c >= '0' && c <= '9'; });
        count = number ? std::stoul(digits) : 0;
        word.resize(star);
      }
      if (count == 0 || written.size() + count > kMostLayers) {
        problem("'written' is damaged", "delete the file to have it written anew");
        return {};
      }
      const size_t slash = word.find('/');
      const std::string weight = slash == std::string::npos ? "" : word.substr(slash + 1);
      written.insert(written.end(), count, {word.substr(0, slash), weight});
    }
    return written;
  }

  std::vector<Diagnostic>& problems_;
};

std::string written_text(const std::vector<LayerPrecision>& layers) {
  std::string text;
  for (size_t i = 0; i < layers.size();) {
    size_t end = i + 1;
    while (end < layers.size() && layers[end].precision == layers[i].precision &&
           layers[end].weight == layers[i].weight)
      ++end;
    text += (text.empty() ? "" : " ") + layers[i].precision;
    if (!layers[i].weight.empty()) text += "/" + layers[i].weight;
    if (end > i + 1) text += fmt::format("*{}", end - i);
    i = end;
  }
  return text;
}

std::string quoted(const std::string& name) {
  const bool plain = !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.' ||
           c == '/';
  });
  if (plain) return name;
  std::string text = "\"";
  for (const char c : name) {
    if (c == '"' || c == '\\') text += '\\';
    text += c;
  }
  return text + "\"";
}

std::string precisions(const std::string& precision, const std::string& weight) {
  std::string text;
  if (!precision.empty()) text += "precision: " + precision;
  if (!weight.empty()) text += (text.empty() ? "weight: " : ", weight: ") + weight;
  return text;
}

constexpr const char* kHeader =
    R"(# The precision of every layer, written by tinyml. Edit it: the next run reads this file.
#   precision: int8, int16 (or any of int2 to int16: activations) or float
#   weight: int8 (or any of int2 to int8); float where the layer is float
# A line of 'operators' is for all layers of that kind; an edited line of 'layers' wins over it. Further keys of a line:
# algorithm, percentile, momentum, asymmetric, per_tensor (docs/quantization.md). Values are requantized between int8 and
# int16 layers, so 16 bits pay in runs of layers. 'ignore_layerwise_config: true' leaves this file alone; delete it to
# start anew. 'written' is what the configuration gave; do not edit it.
)";

}  // namespace

LayerFile parse_layer_file(const std::string& text, std::vector<Diagnostic>& problems) {
  try {
    return Reader(problems).read(YAML::Load(text));
  } catch (const YAML::Exception& error) {
    problems.push_back({fmt::format("it is not valid YAML: {}", error.what()), "", {}, ""});
    return {};
  }
}

const LayerLine* LayerFile::find_layer(const std::string& name) const {
  const auto found = std::find_if(layers.begin(), layers.end(), [&](const auto& line) { return line.first == name; });
  return found == layers.end() ? nullptr : &found->second;
}

bool is_edited(const LayerFile& file) {
  if (file.layers.size() != file.written.size()) return true;
  std::vector<LayerPrecision> original(file.layers.size());
  for (size_t i = 0; i < original.size(); ++i) {
    const auto& [name, line] = file.layers[i];
    const auto& [precision, weight] = file.written[i];
    if (line.precision != precision || line.weight != weight || !line.settings.empty()) return true;
    original[i].op = line.op;
    original[i].precision = precision;
    original[i].weight = weight;
  }
  const auto kinds = operator_lines(original);
  return kinds.size() != file.operators.size() || std::any_of(kinds.begin(), kinds.end(), [&](const auto& kind) {
           const auto found = file.operators.find(kind.first);
           return found == file.operators.end() || found->second.precision != kind.second.precision ||
                  found->second.weight != kind.second.weight || !found->second.settings.empty();
         });
}

std::vector<std::pair<std::string, LayerLine>> operator_lines(const std::vector<LayerPrecision>& layers) {
  std::vector<std::pair<std::string, LayerLine>> lines;
  for (const LayerPrecision& layer : layers) {
    const auto same =
        std::find_if(lines.begin(), lines.end(), [&](const auto& line) { return line.first == layer.op; });
    if (same == lines.end()) {
      lines.push_back({layer.op, {"", "", layer.precision, layer.weight, {}}});
      continue;
    }
    if (same->second.precision != layer.precision) same->second.precision = "mixed";
    if (same->second.weight != layer.weight) same->second.weight = "mixed";
  }
  return lines;
}

}  // namespace tinyml::quantization

namespace tinyml {

std::string layer_config_text(const std::vector<LayerPrecision>& layers, const std::vector<LayerPrecision>& chosen) {
  using namespace quantization;
  TINYML_CHECK(chosen.empty() || chosen.size() == layers.size());
  std::string text = kHeader;
  text += fmt::format("format: {}\nversion: 1\nwritten: \"{}\"\noperators:\n", kFormat, written_text(layers));
  for (const auto& [op, line] : operator_lines(layers)) {
    text += fmt::format("  {}: {{{}}}\n", quoted(op), precisions(line.precision, line.weight));
  }
  text += "layers:\n";
  for (size_t i = 0; i < layers.size(); ++i) {
    const LayerPrecision& layer = layers[i];
    const LayerPrecision& value = chosen.empty() ? layer : chosen[i];
    text += fmt::format("  {}: {{operator: {}", quoted(layer.name), quoted(layer.op));
    if (!layer.type.empty()) text += fmt::format(", type: {}", quoted(layer.type));
    text += fmt::format(", {}}}", precisions(value.precision, value.weight));
    if (!layer.reason.empty()) text += "  # " + layer.reason;
    text += "\n";
  }
  return text;
}

}  // namespace tinyml
