#pragma once

#include <map>
#include <string>
#include <vector>

#include "tinyml/graph.h"

namespace tinyml {

/// What a graph does not say about the modules it was captured from.
struct QuantizedModules {
  /// Path of a layer with a batch norm folded in -> momentum of that batch norm (0: the cumulative average).
  std::map<std::string, double> momentum;
  /// The same -> the path that the batch norm had, where it is known.
  std::map<std::string, std::string> norms;
  /// Path of a recurrent layer -> its dropout.
  std::map<std::string, double> dropout;
  /// Paths of FakeQuants and observers; their tensors go too where no node reads them (they were switched off).
  std::vector<std::string> observers;
};

/// The float model behind a fake-quantized one. Every FakeQuant (`aten.fake_quantize_*`, `aten.*_obs_fake_quant`, their
/// learnable forms; requantizations too) is replaced by its input, and its scales, zero points and observers go. The
/// layers of tinyml.nn become those of torch.nn with the same tensors. A folded batch norm is one of its own again,
/// after its layer, with its trained parameters and statistics; its path is the one it had before fuse() where
/// `modules` or the graph knows it ("tinyml.bn_path"), else the next free number beside a numbered layer, "bn1" beside
/// "conv1", or "<layer>_bn". Recurrent layers and cells that were written out step by step are single operators again,
/// unless the graph was edited. Without training in between the result computes what the model that was quantized did,
/// bit for bit. A graph without FakeQuants comes back with its batch norms unfolded.
Graph remove_fake_quants(const Graph& graph, const QuantizedModules& modules = {});

}  // namespace tinyml
