// The inverse of rewriting recurrent cells.
#pragma once

#include "tinyml/graph.h"

namespace tinyml::quantization {

/// Every step of an LSTMCell, GRUCell or RNNCell that rewrite_recurrent() wrote out, with its FakeQuants gone already,
/// becomes the one operator again, and its module torch.nn's. Known by its operators and by torch.nn's names of the
/// parameters; what was edited stays as it is.
void restore_cells(Graph& graph);

}  // namespace tinyml::quantization
