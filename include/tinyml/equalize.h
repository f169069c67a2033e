#pragma once

#include <string>
#include <utility>
#include <vector>

#include "tinyml/graph.h"

namespace tinyml {

/// Cross-layer equalization (Nagel et al., Data-Free Quantization through Weight Equalization and Bias Correction,
/// 2019, section 4.1): each channel between two layers is divided by a number in the first and multiplied by it in the
/// second, so that the largest weights on both sides are equal. The model computes what it did, up to rounding; its
/// channels become alike, so that one scale for a whole tensor serves them all. No channel is raised above what the
/// largest of its tensor reached (mean and three standard deviations, where a batch norm tells them), so that ranges of
/// activations do not widen.
///
/// For float graphs. First: a convolution, transposed convolution or linear layer with parameters of its own, with or
/// without a batch norm (with `affine`) after it, which then takes the division. Between: what a positive factor passes
/// through channel by channel (ReLU, leaky ReLU, PReLU, max and average pooling, padding with zeros, upsampling,
/// dropout, flattening, means over space). Then: one or more such layers; a depthwise convolution is both a second and
/// a first. ReLU6 and other bounded or curved functions end the search. `pairs` gets the module paths of first and
/// second layers. Throws Error for a graph with FakeQuants.
Graph equalize_layers(const Graph& graph, std::vector<std::pair<std::string, std::string>>* pairs = nullptr);

/// High bias absorption (Nagel et al. 2019, section 4.1.2), after equalization: where the values of a channel between a
/// batch norm and a ReLU all lie high above zero (mean less three standard deviations: c > 0), c is taken off the batch
/// norm's bias and added to the next layers' biases, weighted, so that the range of the activation is not spent on a
/// constant. What lies more than three deviations below the mean changes. Between such layers nothing but the ReLU may
/// lie, and the second ones must not pad. `absorbed` gets the number of channels. Throws Error for a graph with
/// FakeQuants.
Graph absorb_high_biases(const Graph& graph, size_t* absorbed = nullptr);

}  // namespace tinyml
