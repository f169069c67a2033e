// The best assignments of precisions under an additive model of noise and cost.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace tinyml::quantization {

/// 0: as the configuration says (int8); 1: int16 activations; 2: float.
inline constexpr size_t kPrecisions = 3;
using Assignment = std::vector<uint8_t>;  ///< By layer.

/// Noise that sites add independently, and what layers cost.
struct PrecisionModel {
  struct Layer {
    std::array<double, kPrecisions> cost = {};
    std::array<bool, kPrecisions> allowed = {true, true, true};  ///< The first one always.
    double weight_noise = 0.0;                                   ///< Added unless it is float.
  };
  struct Site {
    double noise = 0.0;  ///< Added unless all its layers have more than 8 bits.
    std::vector<size_t> layers;
  };
  std::vector<Layer> layers;
  std::vector<Site> sites;

  double noise(const Assignment& assignment) const;
  double cost(const Assignment& assignment) const;
};

/// The assignment of least noise + price * cost, exactly: a minimum cut, since a site's noise is a reward for all its
/// layers together and precisions are ordered (Picard, "Maximal closure of a graph", 1976; Ishikawa, "Exact
/// optimization for Markov random fields with convex priors", 2003). `price` > 0.
Assignment least_energy(const PrecisionModel& model, double price);

/// All assignments that are best for some price, by rising cost: the lower convex hull of (cost, noise); `most` at
/// most.
std::vector<Assignment> find_frontier(const PrecisionModel& model, size_t most = 200);

}  // namespace tinyml::quantization
