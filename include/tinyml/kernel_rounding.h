// How kernels come to integers, for the simulation of their files.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tinyml/graph.h"
#include "tinyml/tflite.h"

namespace tinyml {

/// How a kernel scales the integer n that it has computed (a sum of products, a difference) to steps of its result.
struct KernelScaling {
  enum class Kind : uint8_t {
    kUnknown,  ///< The nearest integer to the value, halves to even.
    kOnce,     ///< n * m in float32, halves to even: XNNPACK's layers and products.
    kTwice,  ///< With m = f * 2^-s, f in [0.5, 1): n * f to the nearest integer, halves up; that over 2^s, halves away
             ///< from zero. MultiplyByQuantizedMultiplier of tensorflow/lite/kernels/internal/common.h.
    kBytes,  ///< n * m with 8 bits of m behind the point, halves up: XNNPACK's QUANTIZE and LEAKY_RELU.
    kUp,     ///< n * m, halves up: XNNPACK's RESIZE_BILINEAR.
    kAway,  ///< n * m plus the zero point, halves away from zero: the reference kernels' means of windows and resizing.
  };
  Kind kind = Kind::kUnknown;
  double multiplier = 0.0;  ///< m, the steps of the result that n = 1 stands for.
  int64_t more_bits = 0;    ///< kTwice: m is stored so many bits smaller; s grows by them.
  double negative = 1.0;    ///< m times this where the result is negative.

  bool operator==(const KernelScaling&) const = default;
  /// The integer for a value of so many steps from the zero point, before clamping.
  double level(double steps, double zero_point) const;
};

/// The scaling in front of one FakeQuant.
struct KernelRounding {
  std::string module_path = {};  ///< Of the FakeQuant.
  /// One, one for each index of `axis`, or one for each element of an example.
  std::vector<KernelScaling> scalings = {{}};
  int64_t axis = -1;  ///< Of the value, counted from its end; 0: the scalings are of elements.

  bool operator==(const KernelRounding&) const = default;
};

enum class KernelSet : uint8_t { kReference, kXnnpack };

/// How the kernels of LiteRT 2.3 come to the integers of the FakeQuants that round to 8 bits, in `file`, which was
/// converted from `graph`. A FakeQuant that is called in several places which differ, and what is computed in float in
/// the file or by kernels that are not listed here, is left out. To be called once the scales are final.
/// Throws Error for the file of another model.
std::vector<KernelRounding> kernel_roundings(const Graph& graph, const tflite::Model& file, KernelSet kernels);

}  // namespace tinyml
