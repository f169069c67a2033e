#pragma once

#include "tinyml/graph.h"

namespace tinyml {

/// Gives the parts of concatenations the concatenations' scales, where they differ little: a part of another scale
/// costs a requantization. Parts, concatenations of them, and concatenations of which slices become parts of others
/// (the units of a shuffled stage) take one scale for all of their ranges as long as that is at most a quarter coarser
/// than the finest of theirs; the pairs of the most similar scales first.
///
/// Changes the data of scales and zero points alone. Scales that are numbers in the graph (sigmoid's, softmax's) stay.
/// To be called once the ranges are final, before round_biases(); calling it again changes nothing.
Graph share_scales(const Graph& graph);

}  // namespace tinyml
