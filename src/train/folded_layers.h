// Layers with a folded batch norm (tinyml::fuse), trained as tinyml.nn.qat_conv trains them.
#pragma once

#include <vector>

#include "train/program.h"

namespace tinyml::train {

/// In train mode each such layer rounds its folded weight, takes the factor of the fold out of it again and normalizes
/// with the batch's own statistics, which the running ones follow; in eval mode it computes what the graph says.
/// Appends a diagnostic for each layer whose nodes are not those of a fold: it can run, but not be trained.
void attach_folded_layers(Program& program, const TensorsByName& tensors, std::vector<Diagnostic>& untrainable);

}  // namespace tinyml::train
