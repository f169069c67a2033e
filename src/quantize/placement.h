// Which values get FakeQuants: the plan, before anything is changed.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "tinyml/graph.h"
#include "tinyml/quantize.h"

namespace tinyml::quantization {

/// A FakeQuant after a value.
struct Site {
  enum class Kind { kObserved, kFixed, kRequantized };
  ValueId value = kNoValue;
  Kind kind = Kind::kObserved;
  ScaleZeroPoint fixed;       ///< kFixed.
  ValueId source = kNoValue;  ///< kRequantized: the site whose scale it takes.
  TensorScheme scheme;
  std::string quantizer;              ///< Name of the FakeQuant in the module of the value; "": any.
  std::vector<NodeId> float_readers;  ///< Read the value itself, which is computed in float.
};

/// A FakeQuant of one constant operand of one node.
struct WeightSite {
  NodeId node = kNoNode;
  size_t arg = 0;
  int64_t axis = -1;  ///< -1: one scale.
  TensorScheme scheme;
};

/// A second FakeQuant of a value, for those that read it in another width than it is made in.
struct WidthSite {
  ValueId value = kNoValue;
  TensorScheme scheme;
  std::vector<NodeId> readers;
};

/// An operator whose precision can be chosen, or that is float whatever is asked.
struct LayerChoice {
  NodeId node = kNoNode;
  bool integer = false;
  TensorScheme activation;             ///< Of its result.
  std::optional<TensorScheme> weight;  ///< Layers only.
  const char* reason = nullptr;        ///< Why it has no integer form.
  bool lookup = false;                 ///< Rows of a table, which has a weight's scheme where they have scales.
};

struct Placement {
  std::vector<Site> sites;  ///< In the order of the values' definition.
  std::vector<WeightSite> weights;
  std::vector<WidthSite> widths;
  std::vector<LayerChoice> layers;  ///< In execution order; activations that are part of a layer are not listed.
  QuantizationReport report;
};

Placement solve_placement(const Graph& graph, const QuantizationScheme& scheme);

}  // namespace tinyml::quantization
