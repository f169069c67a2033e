// The inverse of rewriting recurrent layers.
#pragma once

#include <map>
#include <string>

#include "tinyml/graph.h"

namespace tinyml::quantization {

/// Every call of tinyml.nn's QuantLSTM, QuantGRU and QuantRNN that is written out step by step, with its FakeQuants
/// gone already, becomes the one operator of torch.nn's module again, with the same parameters and states. A call whose
/// nodes are not what such a module computes stays written out. `dropout`: path of a module -> its dropout, which a
/// graph captured in eval mode does not tell.
void restore_recurrent(Graph& graph, const std::map<std::string, double>& dropout);

}  // namespace tinyml::quantization
