// Where quantization adds noise, and which layers decide whether it does.
#pragma once

#include <string>
#include <vector>

#include "tinyml/graph.h"
#include "tinyml/layer_config.h"

namespace tinyml::quantization {

/// A value that is rounded to one scale, or the weight of a layer.
struct NoiseSite {
  std::string name;
  bool weight = false;
  std::vector<NodeId> fake_quants;
  /// By position in the list of layers. A value: all that make and read it, which must be of more than 8 bits for the
  /// value to be so; a weight: its layers.
  std::vector<size_t> layers;
};

/// The sites of a quantized graph; `layers`: of the float graph that it was made from, whose values' names it has.
std::vector<NoiseSite> find_noise_sites(const Graph& quantized, const std::vector<LayerPrecision>& layers);

/// The graph with the FakeQuants of one site alone; the others pass values on.
Graph keep_site(const Graph& quantized, const NoiseSite& site);

}  // namespace tinyml::quantization
