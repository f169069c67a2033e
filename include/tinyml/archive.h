#pragma once

#include <filesystem>

#include "tinyml/graph.h"

namespace tinyml {

/// Reads an exported program saved by `torch.export.save` (torch 2.8 or newer, schema version 8). The file is
/// memory-mapped; weights stay views of the mapping, so the file must not be truncated while the graph is alive
/// (replacing it by rename is fine). Operators stand as captured: `normalize` (functionalize.h) turns them into single
/// assignment form.
///
/// Every parameter, buffer and constant of the program becomes a binding, in the order of the program's signature; tied
/// weights are bindings that share one storage. Sizes that depend on data have the hint -1.
///
/// Throws Error for anything that is not such an archive (saying what it is and how to save it again), for damaged or
/// inconsistent archives (naming the entry and key) and for what a Graph cannot hold: pickled weights, custom objects,
/// sparse tensors, 8-bit floats. No pickle is ever opened.
Graph read_pt2(const std::filesystem::path& path);

/// The same from memory; weights are views that share ownership of `archive`.
Graph read_pt2(const Storage& archive);

/// Writes a program that `torch.export.load` loads, runs and trains (through `.module()`): the graph as it is now, with
/// weights, pytree specifications, module call graph and sample inputs of the archive it was read from, as far as they
/// still fit, or minimal ones. Tensors that share storage are written once and stay tied. The target is replaced
/// atomically when everything is written. Throws Error if the graph is invalid or the file cannot be written.
void write_pt2(const Graph& graph, const std::filesystem::path& path);

}  // namespace tinyml
