// The layer-wise configuration: a file that lists the precision of every layer for a person to edit.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "tinyml/quantize.h"

namespace tinyml {

/// An operator whose precision can be chosen, or the same operator in every call of a shared module.
struct LayerPrecision {
  std::string name;  ///< The module's path where the operator is all of a layer of torch.nn, else "<path>/<result>".
  std::string op;    ///< "conv2d".
  std::string type;  ///< The class of its innermost module, "Conv2d".
  std::vector<std::string> results;  ///< The values that its calls make.
  std::string precision;             ///< "int8", "int16" (any of int2 to int16) or "float". Empty: weights alone.
  std::string weight;                ///< "int8" (any of int2 to int8), "float", or empty for operators without one.
  std::string reason;                ///< Why it has no integer form; empty where the precision can be chosen.
  friend bool operator==(const LayerPrecision&, const LayerPrecision&) = default;
};

/// The layers of a graph that has no FakeQuants, batch norms folded (fuse), with the precision that a scheme gives
/// them, in execution order. What only moves data and activations that are part of a layer follow the others and are
/// not listed. `weights_only`: the layers whose weights quantize_weights() rounds.
std::vector<LayerPrecision> list_layers(const Graph& graph, const QuantizationScheme& scheme,
                                        bool weights_only = false);

/// The file: YAML with the header `format: tinyml.layers`, what the configuration gave (`written`), one line for each
/// kind of operator and one for each layer. `chosen`: precisions other than those, by position; empty: none.
std::string layer_config_text(const std::vector<LayerPrecision>& layers,
                              const std::vector<LayerPrecision>& chosen = {});

/// The scheme with the precisions of a file's text, in which lines of layers win over lines of kinds of operators. A
/// text without edits changes nothing. Throws Error, listing all problems, for unknown layers, operators, keys and
/// values (naming the nearest known one), for a precision that a layer cannot have, and for an edited text that was
/// written for another graph or configuration, saying what changed. `path` names the text in messages.
QuantizationScheme apply_layer_config(const std::string& text, const std::string& path, const Graph& graph,
                                      const QuantizationScheme& scheme, bool weights_only = false);

/// What quantizers do: applies the file, or writes it where there is none. A file without edits that was written for
/// another graph or configuration is written anew.
QuantizationScheme sync_layer_config(const std::filesystem::path& path, const Graph& graph,
                                     const QuantizationScheme& scheme, bool weights_only = false);

}  // namespace tinyml
