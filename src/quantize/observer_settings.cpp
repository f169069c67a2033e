#include "quantize/observer_settings.h"

#include <cstdlib>

#include "graph/node_notes.h"

namespace tinyml::quantization {
namespace {

double number_setting(const Node& node, const std::string& name, double otherwise) {
  const std::string* found = note_of(node, name);
  return found == nullptr ? otherwise : std::strtod(found->c_str(), nullptr);
}

}  // namespace

ObserverSettings read_observer_settings(const Node& node, Observer otherwise) {
  TensorScheme scheme;
  scheme.quant_min = node.arg("quant_min").as_int();
  scheme.quant_max = node.arg("quant_max").as_int();
  scheme.observer = otherwise;
  const auto& settings = node.metadata.other;
  if (const auto found = settings.find("tinyml.observer"); found != settings.end()) {
    scheme.observer = observer_named(found->second).value_or(otherwise);
  }
  scheme.momentum = number_setting(node, "tinyml.momentum", scheme.momentum);
  scheme.percentile = number_setting(node, "tinyml.percentile", scheme.percentile);
  const auto symmetric = settings.find("tinyml.symmetric");
  // 16-bit activations have zero point 0 by the target's rule.
  scheme.symmetric = symmetric != settings.end() ? symmetric->second == "true" : scheme.quant_max > 255;
  return {scheme, number_setting(node, "tinyml.mask_margin", 0.0)};
}

bool is_requantize(const Node& node) {
  return !node.metadata.module_stack.empty() && node.metadata.module_stack.back().type.ends_with(".Requantize");
}

}  // namespace tinyml::quantization
