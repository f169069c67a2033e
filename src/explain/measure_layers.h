// What the file's integers are, beside the float model and beside what the FakeQuants say.
#pragma once

#include <map>
#include <vector>

#include "explain/probe_file.h"

namespace tinyml::explaining {

/// Sums over all samples of one probe.
struct LayerSums {
  size_t count = 0;              ///< Elements.
  double float_energy = 0;       ///< Of the float model's values.
  double total_noise = 0;        ///< Of the file's values against those.
  double local_energy = 0;       ///< Of the float layer on the file's inputs.
  double local_noise = 0;        ///< Of the file's values against those.
  double clipped = 0;            ///< Part of it from values outside of the range.
  double weight_noise = 0;       ///< Part of it from rounded weights.
  double kernel_noise = 0;       ///< Of the file's values against the FakeQuants on the same inputs.
  size_t unequal = 0;            ///< Integers that differ from those.
  size_t apart = 0;              ///< Integers that differ from those by more than one.
  double least = 0, most = 0;    ///< Of the float layer on the file's inputs; 0 among them.
  std::vector<double> channels;  ///< Largest magnitude of each channel.
};

struct Measurements {
  std::vector<LayerSums> layers;                   ///< For each probe; of those without a tensor only the ranges.
  std::map<ValueId, double> concatenated;          ///< Of each part of a concatenation: its largest magnitude.
  std::vector<std::pair<double, double>> outputs;  ///< For each output of the graph: energy, noise.
};

/// Runs file and graph on the samples.
Measurements measure_layers(const tflite::Model& file, const Graph& graph, const std::vector<Probe>& probes,
                            const std::vector<std::vector<Tensor>>& samples, const RunTflite& run);

}  // namespace tinyml::explaining
