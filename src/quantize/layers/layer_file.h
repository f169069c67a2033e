// The text form of a layer-wise configuration.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tinyml/error.h"
#include "tinyml/layer_config.h"

namespace tinyml::quantization {

/// What a line of the file says.
struct LayerLine {
  std::string op, type;                         ///< Empty in lines of kinds of operators.
  std::string precision, weight;                ///< Empty where not given.
  std::map<std::string, std::string> settings;  ///< Other keys, each with its value as YAML.
};

struct LayerFile {
  std::vector<std::pair<std::string, std::string>> written;  ///< (precision, weight) of each layer, in order.
  std::map<std::string, LayerLine> operators;
  std::vector<std::pair<std::string, LayerLine>> layers;  ///< As they stand in the file.

  const LayerLine* find_layer(const std::string& name) const;
};

/// Reads the text; adds what is wrong with it to `problems`.
LayerFile parse_layer_file(const std::string& text, std::vector<Diagnostic>& problems);

/// Whether the file says anything beside what was written into it.
bool is_edited(const LayerFile& file);

/// The lines of kinds of operators: their common precision, "mixed" where they differ.
std::vector<std::pair<std::string, LayerLine>> operator_lines(const std::vector<LayerPrecision>& layers);

}  // namespace tinyml::quantization
