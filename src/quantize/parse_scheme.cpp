#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <cmath>
#include <functional>
#include <map>

#include "quantize/layer_rules.h"
#include "tinyml/quantize.h"
#include "tinyml/suggest.h"

namespace tinyml {
namespace {

/// Keys of today's tools that have no namesake here -> what does their work.
const std::map<std::string, std::string_view, std::less<>>& keys_elsewhere() {
  static const std::map<std::string, std::string_view, std::less<>> keys = {
      {"disable_requantization_for_cat", "leave it out: 'concatenation: tie' is the default"},
      {"rewrite_graph",
       "leave it out: models are rewritten only where that is exact; 'quantize_op_action' asks for more"},
      {"is_input_quantized",
       "leave it out: 'quantized_input_stats' sets scales of inputs, TFLiteConverter their types"},
      {"dynamic_lstm_quant", "leave it out: recurrent layers run on integers; DynamicQuantizer rounds weights alone"},
      {"quantized_op_stats", "leave it out: FakeQuantize has 'fixed=(scale, zero_point)' in the generated code"},
      {"set_quantizable_op_stats", "leave it out: operators whose scales the runtime prescribes always have them"},
      {"rounding_mode", "leave it out: what the device rounds is rounded as it does"},
      {"fuse_only", "leave it out: tinyml.trace(model, x) and generate_code write the float model"},
      {"legacy_fq", "leave it out: all FakeQuants are ATen's"},
  };
  return keys;
}

/// Reads one mapping, key by key, and collects every problem.
class SchemeReader {
 public:
  QuantizationScheme read(const std::string& text) {
    YAML::Node root;
    try {
      root = YAML::Load(text);
    } catch (const YAML::Exception& error) {
      throw Error(fmt::format("The quantization configuration is not valid YAML: {}", error.what()));
    }
    QuantizationScheme scheme;
    if (!root.IsDefined() || root.IsNull()) return scheme;
    read_mapping(
        root, "",
        {
            {"backend", [&](const YAML::Node& node) { read_backend(node, scheme); }},
            {"ignore", [&](const YAML::Node& node) { read_ignore(node, scheme); }},
            {"layers", [&](const YAML::Node& node) { layers_ = node; }},
            {"bits", [&](const YAML::Node& node) { read_bits(node, "bits", scheme.activation, scheme.weight); }},
            {"asymmetric",
             [&](const YAML::Node& node) { read_asymmetric(node, "asymmetric", scheme.activation, scheme.weight); }},
            {"per_tensor", [&](const YAML::Node& node) { scheme.weight.per_channel = !read_bool(node, "per_tensor"); }},
            {"observer", [&](const YAML::Node& node) { read_observers(node, "observer", scheme); }},
            {"algorithm", [&](const YAML::Node& node) { read_observers(node, "algorithm", scheme); }},
            {"percentile",
             [&](const YAML::Node& node) { scheme.activation.percentile = read_percentile(node, "percentile"); }},
            {"momentum", [&](const YAML::Node& node) { scheme.activation.momentum = read_momentum(node, "momentum"); }},
            {"residual", [&](const YAML::Node& node) { scheme.float_residual = read_residual(node); }},
            {"concatenation",
             [&](const YAML::Node& node) {
               const std::string how = scalar<std::string>(node, "concatenation", "a name", "tie");
               if (how != "tie" && how != "requantize") {
                 problem(fmt::format("'concatenation' is '{}'", how), "tie or requantize");
               }
               scheme.requantize_concatenations = how == "requantize";
             }},
            {"adaptive_rounding",
             [&](const YAML::Node& node) { scheme.adaptive_rounding = read_bool(node, "adaptive_rounding"); }},
            {"bias_correction",
             [&](const YAML::Node& node) { scheme.bias_correction = read_bool(node, "bias_correction"); }},
            {"quantized_input_stats", [&](const YAML::Node& node) { read_input_stats(node, scheme); }},
            {"quantize_op_action", [&](const YAML::Node& node) { actions_ = node; }},
            {"override_qconfig_func",
             [&](const YAML::Node&) {
               problem("'override_qconfig_func' is a Python function: a file cannot hold it",
                       "pass a dict from Python, or write 'layers'");
             }},
            {"remove_weights_after_load",
             [&](const YAML::Node& node) { read_bool(node, "remove_weights_after_load"); }},
            {"cross_layer_equalization",
             [&](const YAML::Node& node) {
               scheme.cross_layer_equalization = read_bool(node, "cross_layer_equalization");
             }},
            {"allow_float", [&](const YAML::Node& node) { scheme.allow_float = read_bool(node, "allow_float"); }},
            {"high_bias_absorption",
             [&](const YAML::Node& node) { scheme.high_bias_absorption = read_bool(node, "high_bias_absorption"); }},
            {"force_overwrite", [&](const YAML::Node& node) { read_bool(node, "force_overwrite"); }},
            {"ignore_layerwise_config",
             [&](const YAML::Node& node) {
               scheme.ignore_layerwise_config = read_bool(node, "ignore_layerwise_config");
             }},
        });
    if (actions_.IsDefined() && !actions_.IsNull()) read_actions(scheme);
    if (layers_.IsDefined() && !layers_.IsNull()) read_layers(scheme);  // last: they start from the settings above
    if (!problems_.empty()) throw Error("The quantization configuration is not valid.", std::move(problems_));
    return scheme;
  }

 private:
  using Handlers = std::map<std::string, std::function<void(const YAML::Node&)>>;

  void problem(std::string what, std::string remedy = "") {
    problems_.push_back({std::move(what), "", {}, std::move(remedy)});
  }

  void read_mapping(const YAML::Node& node, const std::string& where, const Handlers& handlers) {
    if (!node.IsMap()) {
      problem(fmt::format("'{}' is not a mapping", where.empty() ? "the configuration" : where));
      return;
    }
    for (const auto& entry : node) {
      const std::string key = entry.first.as<std::string>();
      const auto handler = handlers.find(key);
      if (handler != handlers.end()) {
        handler->second(entry.second);
        continue;
      }
      std::vector<std::string> known;
      std::string list;
      for (const auto& [name, unused] : handlers) {
        known.push_back(name);
        list += (list.empty() ? "" : ", ") + name;
      }
      const auto other = keys_elsewhere().find(key);
      const bool is_elsewhere = where.empty() && other != keys_elsewhere().end();
      problem(fmt::format("unknown key '{}'{}", key, where.empty() ? "" : " in '" + where + "'"),
              is_elsewhere ? std::string(other->second) : suggestion(key, known, "known keys: " + list));
    }
  }

  template <typename T>
  T scalar(const YAML::Node& node, const std::string& where, const char* expected, T fallback) {
    try {
      return node.as<T>();
    } catch (const YAML::Exception&) {
      problem(fmt::format("'{}' is not {}", where, expected));
      return fallback;
    }
  }
  bool read_bool(const YAML::Node& node, const std::string& where) {
    return scalar<bool>(node, where, "true or false", false);
  }

  void read_backend(const YAML::Node& node, QuantizationScheme& scheme) {
    scheme.backend = scalar<std::string>(node, "backend", "a name", "");
    if (scheme.backend == "qnnpack") scheme.backend = "tflite";
    if (scheme.backend != "tflite") {
      problem(fmt::format("unknown backend '{}'", scheme.backend), "the only one is 'tflite', also called 'qnnpack'");
    }
  }

  bool read_residual(const YAML::Node& node) {
    const std::string name = scalar<std::string>(node, "residual", "a name", "");
    if (name != "float" && name != "int8") problem(fmt::format("unknown residual '{}'", name), "float or int8");
    return name != "int8";
  }

  double read_momentum(const YAML::Node& node, const std::string& where) {
    const double momentum = scalar<double>(node, where, "a number", 0.01);
    if (!(momentum > 0.0 && momentum <= 1.0)) problem(fmt::format("'{}' is not in (0, 1]", where));
    return momentum;
  }

  double read_percentile(const YAML::Node& node, const std::string& where) {
    const double percentile = scalar<double>(node, where, "a number", 99.99);
    if (!(percentile > 50.0 && percentile <= 100.0)) problem(fmt::format("'{}' is not in (50, 100]", where));
    return percentile;
  }

  /// `observer` and `algorithm` are two names of one setting.
  void read_observer(const YAML::Node& node, const std::string& where, TensorScheme& scheme) {
    const std::string name = scalar<std::string>(node, where, "a name", "");
    const std::optional<Observer> found = observer_named(name);
    if (!found) {
      problem(fmt::format("unknown {} '{}'", where, name),
              suggestion(name, {"moving_average", "min_max", "mse", "l2", "percentile", "kl"},
                         "one of moving_average, min_max, mse (l2), percentile, kl"));
      return;
    }
    const std::string section = where.substr(0, where.rfind('.') + 1);
    const auto [earlier, first] = observers_.try_emplace(section, *found);
    if (!first && earlier->second != *found) {
      problem(fmt::format("'{}observer' and '{}algorithm' differ", section, section), "they are one setting: give one");
    }
    scheme.observer = *found;
  }

  /// Of the model: weights have the least squared error where activations have; else, as in training, their extremes.
  void read_observers(const YAML::Node& node, const std::string& where, QuantizationScheme& scheme) {
    read_observer(node, where, scheme.activation);
    const bool least_error = scheme.activation.observer == Observer::kMse;
    scheme.weight.observer = least_error ? Observer::kMse : Observer::kMinMax;
  }

  void set_bits(TensorScheme& scheme, const YAML::Node& node, const std::string& where, bool weight) {
    const int bits = scalar<int>(node, where, "a number of bits", 8);
    if (bits < 2 || bits > 16 || (weight && bits > 8)) {
      problem(fmt::format("'{}' is {}; {} have 2 to {} bits", where, bits, weight ? "weights" : "activations",
                          weight ? 8 : 16));
      return;
    }
    scheme = quantization::with_bits(scheme, bits, weight);
  }

  /// `read(scheme, node, name, is_weight)` for one value for both kinds of tensors, or a mapping of one for each.
  template <typename Read>
  void read_both(const YAML::Node& node, const std::string& where, TensorScheme& activation, TensorScheme& weight,
                 Read read) {
    if (!node.IsMap()) {
      read(activation, node, where, false);
      read(weight, node, where, true);
      return;
    }
    read_mapping(
        node, where,
        {
            {"activation", [&](const YAML::Node& value) { read(activation, value, where + ".activation", false); }},
            {"weight", [&](const YAML::Node& value) { read(weight, value, where + ".weight", true); }},
        });
  }

  void read_bits(const YAML::Node& node, const std::string& where, TensorScheme& activation, TensorScheme& weight) {
    if (!node.IsMap() && scalar<int>(node, where, "a number of bits", 8) > 8) {
      problem(fmt::format("'{}' above 8 holds for activations only", where), "write bits: {activation: 16, weight: 8}");
      return;
    }
    read_both(node, where, activation, weight,
              [this](TensorScheme& scheme, const YAML::Node& value, const std::string& name, bool is_weight) {
                set_bits(scheme, value, name, is_weight);
              });
  }

  std::optional<IntegerRange> read_range(const YAML::Node& node, const std::string& where, int64_t least,
                                         int64_t most) {
    if (node.IsSequence() && node.size() == 2 && node[0].IsScalar()) {
      const IntegerRange range{scalar<int64_t>(node[0], where, "a list of two integers", least),
                               scalar<int64_t>(node[1], where, "a list of two integers", most)};
      if (least <= range.low && range.low <= 0 && 0 < range.high && range.high <= most) return range;
    }
    problem(fmt::format("'{}' is no range of integers", where),
            fmt::format("write [low, high] with {} <= low <= 0 < high <= {}", least, most));
    return std::nullopt;
  }

  void read_ranges(const YAML::Node& node, const std::string& where, TensorScheme& activation, TensorScheme& weight) {
    read_mapping(node, where,
                 {
                     {"activation",
                      [&](const YAML::Node& value) {
                        const auto range = read_range(value, where + ".activation", -128, 127);
                        if (!range) return;
                        activation.quant_min = range->low;
                        activation.quant_max = range->high;
                      }},
                     {"weight", [&](const YAML::Node& value) { read_weight_range(value, where + ".weight", weight); }},
                 });
  }

  /// One range, or one for each output channel.
  void read_weight_range(const YAML::Node& node, const std::string& where, TensorScheme& weight) {
    const auto read = [&](const YAML::Node& item) -> std::optional<IntegerRange> {
      const auto range = read_range(item, where, -127, 127);
      if (!range || range->low < 0) return range;
      problem(fmt::format("'{}' has no negative integers", where), "weights are symmetric: write [-63, 63]");
      return std::nullopt;
    };
    if (!node.IsSequence() || node.size() == 0 || node[0].IsScalar()) {
      if (const auto range = read(node)) {
        weight.quant_min = range->low;
        weight.quant_max = range->high;
      }
      return;
    }
    weight.quant_min = weight.quant_max = 0;
    for (const YAML::Node& item : node) {
      const auto range = read(item);
      if (!range) return;
      weight.channel_ranges.push_back(*range);
      weight.quant_min = std::min(weight.quant_min, range->low);
      weight.quant_max = std::max(weight.quant_max, range->high);
    }
  }

  void read_asymmetric(const YAML::Node& node, const std::string& where, TensorScheme& activation,
                       TensorScheme& weight) {
    if (!node.IsMap()) {  // the target's weights are symmetric whatever the activations are
      activation.symmetric = !read_bool(node, where);
      return;
    }
    read_both(node, where, activation, weight,
              [this](TensorScheme& scheme, const YAML::Node& value, const std::string& name, bool is_weight) {
                scheme.symmetric = !read_bool(value, name);
                if (is_weight && !scheme.symmetric)
                  problem(fmt::format("'{}' is true; the target's weights are symmetric", name));
              });
  }

  /// The target's definition: real = (q - mean) / std, q in [0, 255]; here q is 128 less.
  void read_input_stats(const YAML::Node& node, QuantizationScheme& scheme) {
    if (!node.IsSequence()) {
      problem("'quantized_input_stats' is not a list", "write [mean, std] or null for each input: [[127.5, 127.5]]");
      return;
    }
    for (const YAML::Node& item : node) {
      if (item.IsNull()) {
        scheme.inputs.emplace_back();
        continue;
      }
      if (!item.IsSequence() || item.size() != 2) {
        problem("an item of 'quantized_input_stats' is neither [mean, std] nor null");
        continue;
      }
      const double mean = scalar<double>(item[0], "quantized_input_stats", "a list of numbers", 128.0);
      const double deviation = scalar<double>(item[1], "quantized_input_stats", "a list of numbers", 1.0);
      if (!(mean >= 0.0 && mean <= 255.0) || !(deviation > 0.0 && deviation < 1e30)) {
        problem(fmt::format("[{}, {}] in 'quantized_input_stats'", mean, deviation),
                "the mean is in [0, 255], the deviation is positive: real = (q - mean) / std");
        continue;
      }
      scheme.inputs.emplace_back(
          ScaleZeroPoint{static_cast<float>(1.0 / deviation), static_cast<int32_t>(std::nearbyint(mean)) - 128});
    }
  }

  void read_actions(QuantizationScheme& scheme) {
    if (!actions_.IsMap()) {
      problem(
          "'quantize_op_action' is not a mapping of operators, classes or modules to float, int8, int16 or rewrite");
      return;
    }
    for (const auto& entry : actions_) {
      LayerRule rule;
      rule.pattern = entry.first.as<std::string>();
      const std::string where = "quantize_op_action." + rule.pattern;
      const std::string action = scalar<std::string>(entry.second, where, "a name", "");
      if (action == "float") {
        rule.ignore = true;
      } else if (action == "rewrite") {
        rule.rewrite = true;
      } else if (action == "int8" || action == "int16") {
        rule.integer = true;
        rule.activation = quantization::with_bits(scheme.activation, action == "int8" ? 8 : 16, false);
      } else {
        problem(fmt::format("'{}' is '{}'", where, action), "one of float, int8, int16, rewrite");
        continue;
      }
      scheme.layers.push_back(std::move(rule));
    }
  }

  void read_ignore(const YAML::Node& node, QuantizationScheme& scheme) {
    if (!node.IsSequence()) {
      problem("'ignore' is not a list of patterns");
      return;
    }
    for (const YAML::Node& item : node) {
      LayerRule rule;
      rule.pattern = scalar<std::string>(item, "ignore", "a list of patterns", "");
      rule.ignore = true;
      scheme.layers.push_back(std::move(rule));
    }
  }

  void read_layers(QuantizationScheme& scheme) {
    if (!layers_.IsMap()) {
      problem("'layers' is not a mapping of patterns to settings");
      return;
    }
    for (const auto& entry : layers_) {
      LayerRule rule;
      rule.pattern = entry.first.as<std::string>();
      const std::string where = "layers." + rule.pattern;
      TensorScheme activation = scheme.activation;
      TensorScheme weight = scheme.weight;
      read_mapping(
          entry.second, where,
          {
              {"ignore", [&](const YAML::Node& node) { rule.ignore = read_bool(node, where + ".ignore"); }},
              {"bits", [&](const YAML::Node& node) { read_bits(node, where + ".bits", activation, weight); }},
              {"range", [&](const YAML::Node& node) { read_ranges(node, where + ".range", activation, weight); }},
              {"asymmetric",
               [&](const YAML::Node& node) { read_asymmetric(node, where + ".asymmetric", activation, weight); }},
              {"per_tensor",
               [&](const YAML::Node& node) { weight.per_channel = !read_bool(node, where + ".per_tensor"); }},
              {"observer", [&](const YAML::Node& node) { read_observer(node, where + ".observer", activation); }},
              {"algorithm", [&](const YAML::Node& node) { read_observer(node, where + ".algorithm", activation); }},
              {"percentile",
               [&](const YAML::Node& node) { activation.percentile = read_percentile(node, where + ".percentile"); }},
              {"momentum",
               [&](const YAML::Node& node) { activation.momentum = read_momentum(node, where + ".momentum"); }},
          });
      if (!(activation == scheme.activation)) rule.activation = activation;
      if (!(weight == scheme.weight)) rule.weight = weight;
      scheme.layers.push_back(std::move(rule));
    }
  }

  YAML::Node layers_;
  YAML::Node actions_;
  std::map<std::string, Observer> observers_;  ///< By the section that set it.
  std::vector<Diagnostic> problems_;
};

}  // namespace

QuantizationScheme parse_scheme(const std::string& text) { return SchemeReader().read(text); }

}  // namespace tinyml
