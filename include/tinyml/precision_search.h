// Automatic mixed precision: the precision of each layer, found from data.
#pragma once

#include <filesystem>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "tinyml/layer_config.h"

namespace tinyml {

struct SearchProgress {
  std::string phase;  ///< What is measured: "extremes", "sensitivity", "costs", "frontier", "repair".
  size_t done = 0;
  size_t total = 0;  ///< 0: not known.
};

/// Thrown by one of the functions below, it ends the search with the best that was measured until then.
struct SearchStopped {};

struct PrecisionSearchOptions {
  /// What layers may become beside what the configuration gives them (int8, usually).
  bool allow_int16 = true;
  bool allow_float = true;
  /// The target, exactly one: the cheapest assignment of at least this quality, or the best that costs at most this
  /// much, in the unit of `cost`, or as a share of the float model's cost.
  std::optional<double> min_quality;
  std::optional<double> max_cost;
  std::optional<double> max_cost_share;
  /// Larger is better. Empty: signal-to-noise ratio in dB against the float model on the samples, noise over signal
  /// averaged over the outputs.
  std::function<double(const Graph&)> quality;
  /// Whether each layer's sensitivity is what `quality` loses, instead of the noise it causes.
  bool sensitivity_by_quality = false;
  /// Of a quantized graph, such as seconds of an inference (tinyml/profile.h). Empty: bit operations, the
  /// multiply-accumulates of a layer (without any: its other operations) times the bits of both operands, 32 for float.
  std::function<double(const Graph&)> cost;
  size_t sensitivity_samples = 8;  ///< So many samples at most for the sensitivity of each layer.
  double seconds = std::numeric_limits<double>::infinity();  ///< Time budget.
  /// What was measured is kept in this file, so that a search that was stopped goes on where it was. Empty: none.
  std::filesystem::path journal;
  /// Called before each measurement; false stops the search.
  std::function<bool(const SearchProgress&)> on_progress;
};

/// What the search knows of one layer.
struct SearchedLayer {
  LayerPrecision chosen;
  double value_noise = 0.0;   ///< Noise over signal at the outputs when its result alone is rounded.
  double weight_noise = 0.0;  ///< When its weight alone is rounded.
};

struct MeasuredAssignment {
  double quality = 0.0;
  double cost = 0.0;
};

struct PrecisionSearchResult {
  std::vector<SearchedLayer> layers;
  std::string text;                       ///< The layer-wise configuration (tinyml/layer_config.h).
  MeasuredAssignment chosen, configured;  ///< `configured`: what the configuration alone gives.
  double float_cost = 0.0;
  std::vector<MeasuredAssignment> measured;  ///< All that were tried, by rising cost.
  bool complete = true;  ///< False: stopped, or out of time; `chosen` is the best measured until then.
};

/// Finds precisions for the layers of a float graph, batch norms folded (fuse) and operators rewritten (rewrite). Noise
/// is taken to add: that of a value goes when all layers that make and read it have more than 8 bits, that of a weight
/// when its layer is float. For each price of noise in cost the best assignment is an exact minimum cut; of those on
/// the convex hull the cheapest (best) that meets the target is found by measuring, then repaired layer by layer.
/// Layers that the configuration leaves float stay so. Throws Error when no target or several are given, when the
/// target cannot be reached (saying how near it comes), for operators without an evaluator, and for a journal of
/// another model, data or options.
PrecisionSearchResult search_precisions(const Graph& graph, const QuantizationScheme& scheme,
                                        const std::vector<std::vector<Tensor>>& samples,
                                        const PrecisionSearchOptions& options);

/// Reads a target into the options: "snr=40" (dB), "quality=0.93" (of the caller's function), "bit_operations=0.3" or
/// "latency=0.5" (shares of the float model's), "latency=3.5ms" (s, ms, us). Returns the word before the '='. Throws
/// Error for anything else.
std::string read_search_target(const std::string& text, PrecisionSearchOptions& options);

/// Tables: the layers and what was chosen for each; what was measured.
std::string to_string(const PrecisionSearchResult& result);

}  // namespace tinyml
