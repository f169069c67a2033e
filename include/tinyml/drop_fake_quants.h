#pragma once

#include <string>
#include <vector>

#include "tinyml/graph.h"

namespace tinyml {

/// A FakeQuant: mixed precision by hand, in a graph.
struct FakeQuantNode {
  std::string name;         ///< Of the value that it makes.
  std::string module_path;  ///< Of its module: "conv.weight_fq", "fq_relu".
  std::string scale;        ///< Name of its scale's buffer; empty where the scale is a number.
};
/// In execution order.
std::vector<FakeQuantNode> list_fake_quants(const Graph& graph);

/// The graph without the FakeQuants of those names or module paths: what reads them reads their inputs, so that exactly
/// the operators beside them become float. Others that have the same scale (requantizations) stay, and the scale with
/// them. Throws Error for names that no FakeQuant has, naming the nearest.
Graph drop_fake_quants(const Graph& graph, const std::vector<std::string>& names);

}  // namespace tinyml
