// Sampling images at positions of a grid, and the grid of an affine map (torch.nn.functional.grid_sample, affine_grid).
#include <algorithm>
#include <cmath>
#include <limits>

#include "evaluate/dispatch.h"
#include "evaluate/matrix_multiply.h"
#include "evaluate/registry.h"
#include "evaluate/view.h"

namespace tinyml::evaluation {
namespace {

enum class Interpolation : int64_t { kLinear, kNearest, kCubic };
enum class Padding : int64_t { kZeros, kBorder, kReflection };

/// A pixel along one dimension and its weight; pixels that do not exist count as zeros.
struct Tap {
  int64_t index;
  double weight;
};

struct GridAxis {
  int64_t size = 0;
  Interpolation interpolation = Interpolation::kLinear;
  Padding padding = Padding::kZeros;
  bool align_corners = false;

  /// The pixels that make up position `x`, where -1 and 1 are the ends of the dimension.
  void add_taps(double x, std::vector<Tap>& taps) const {
    const auto length = static_cast<double>(size);
    x = align_corners ? (x + 1) / 2 * (length - 1) : ((x + 1) * length - 1) / 2;
    if (interpolation == Interpolation::kNearest) {
      taps.push_back({to_index(std::nearbyint(bounded(x))), 1});
    } else if (interpolation == Interpolation::kLinear) {
      x = bounded(x);
      const double low = std::floor(x);
      taps.push_back({to_index(low), low + 1 - x});
      taps.push_back({to_index(low + 1), x - low});
    } else {
      const double low = std::floor(x);
      for (int tap = -1; tap <= 2; ++tap) {
        taps.push_back({to_index(bounded(low + tap)), cubic_weight(std::fabs(x - low - tap))});
      }
    }
  }

 private:
  double bounded(double x) const {
    const auto last = static_cast<double>(size - 1);
    if (padding == Padding::kReflection) x = align_corners ? reflected(x, 0, last) : reflected(x, -0.5, last + 0.5);
    if (padding != Padding::kZeros) x = std::min(std::max(x, 0.0), last);
    return std::isfinite(x) ? x : -100;
  }

  static double reflected(double x, double low, double high) {
    const double span = high - low;
    if (span <= 0) return 0;
    const double rest = std::fmod(std::fabs(x - low), 2 * span);
    return low + (rest > span ? 2 * span - rest : rest);
  }

  /// Keys' cubic convolution with a = -0.75.
  static double cubic_weight(double distance) {
    constexpr double a = -0.75;
    if (distance <= 1) return ((a + 2) * distance - (a + 3)) * distance * distance + 1;
    return ((a * distance - 5 * a) * distance + 8 * a) * distance - 4 * a;
  }

  int64_t to_index(double x) const {
    return x >= 0 && x < static_cast<double>(size) ? static_cast<int64_t>(x) : int64_t{-1};
  }
};

/// Position in the image and weight of every pixel that makes up one element of the result.
void combine(const std::vector<std::vector<Tap>>& taps, const std::vector<GridAxis>& axes, std::vector<Tap>& pixels) {
  pixels.assign(1, {0, 1});
  for (size_t axis = 0; axis < axes.size(); ++axis) {
    std::vector<Tap> next;
    for (const Tap& pixel : pixels) {
      for (const Tap& tap : taps[axis]) {
        if (tap.index >= 0) next.push_back({pixel.index * axes[axis].size + tap.index, pixel.weight * tap.weight});
      }
    }
    pixels = std::move(next);
  }
}

/// input [N, C, spatial...], grid [N, positions..., dims], whose last dimension counts from the innermost axis outwards
/// -> [N, C, positions...].
Tensor grid_sampler(const OperatorCall& call) {
  const Tensor input = call.tensor("input");
  const Tensor grid = call.tensor("grid").to(ScalarType::kFloat64).contiguous();
  const int64_t dims = input.rank() - 2;
  if (dims < 1 || grid.rank() != input.rank() || grid.size(-1) != dims || grid.size(0) != input.size(0)) {
    throw Error("the grid does not fit the images");
  }
  std::vector<GridAxis> axes;
  for (int64_t i = 0; i < dims; ++i) {
    axes.push_back({input.size(i + 2), static_cast<Interpolation>(call.integer("interpolation_mode")),
                    static_cast<Padding>(call.integer("padding_mode")), call.boolean("align_corners")});
  }
  Sizes shape{input.size(0), input.size(1)};
  shape.insert(shape.end(), grid.shape().begin() + 1, grid.shape().end() - 1);
  return dispatch_floating(input.type(),
                           [&](auto zero) {
                             using T = decltype(zero);
                             const Tensor source = input.to(scalar_type_of<T>()).contiguous();
                             Tensor result(scalar_type_of<T>(), shape);
                             const int64_t images = shape[0];
                             const int64_t channels = shape[1];
                             if (result.numel() == 0) return result;
                             const int64_t positions = result.numel() / (images * channels);
                             const int64_t size = source.numel() / (images * channels);
                             const T* from = source.data<T>().data();
                             const double* where = grid.data<double>().data();
                             T* out = result.mutable_data<T>();
                             std::vector<std::vector<Tap>> taps(axes.size());
                             std::vector<Tap> pixels;
                             for (int64_t at = 0; at < images * positions; ++at) {
                               for (size_t axis = 0; axis < axes.size(); ++axis) {
                                 taps[axis].clear();
                                 const auto coordinate = static_cast<int64_t>(axes.size() - 1 - axis);
                                 axes[axis].add_taps(where[at * dims + coordinate], taps[axis]);
                               }
                               combine(taps, axes, pixels);
                               const int64_t image = at / positions;
                               for (int64_t channel = image * channels; channel < (image + 1) * channels; ++channel) {
                                 double sum = 0;
                                 for (const Tap& pixel : pixels) {
                                   sum += pixel.weight * static_cast<double>(from[channel * size + pixel.index]);
                                 }
                                 out[channel * positions + at % positions] = static_cast<T>(sum);
                               }
                             }
                             return result;
                           })
      .to(input.type());
}

/// theta [N, dims, dims + 1] and the size of the result of sampling [N, C, spatial...] -> grid [N, spatial..., dims].
Tensor affine_grid(const OperatorCall& call) {
  const Tensor theta = call.tensor("theta");
  const Sizes size = call.integers("size");
  const int64_t dims = theta.size(1);
  if (theta.rank() != 3 || theta.size(2) != dims + 1 || static_cast<int64_t>(size.size()) != dims + 2) {
    throw Error("the maps do not fit the size of the grid");
  }
  const bool align_corners = call.boolean("align_corners");
  int64_t positions = 1;
  for (int64_t i = 0; i < dims; ++i) positions *= size[static_cast<size_t>(i) + 2];
  Tensor base(ScalarType::kFloat64, {positions, dims + 1});
  double* out = base.mutable_data<double>();
  for (int64_t at = 0; at < positions; ++at) {
    int64_t rest = at;
    for (int64_t coordinate = 0; coordinate < dims; ++coordinate) {  // the innermost axis first
      const int64_t length = size[static_cast<size_t>(dims + 1 - coordinate)];
      const auto steps = static_cast<double>(length - 1);
      const auto index = static_cast<double>(rest % length);
      const double x = length == 1 ? 0 : 2 * index / steps - 1;
      out[at * (dims + 1) + coordinate] = align_corners ? x : x * steps / static_cast<double>(length);
      rest /= length;
    }
    out[at * (dims + 1) + dims] = 1;
  }
  const Tensor maps = transpose(theta.to(ScalarType::kFloat64), 1, 2);
  Sizes shape{size[0]};
  shape.insert(shape.end(), size.begin() + 2, size.end());
  shape.push_back(dims);
  return reshape(matrix_multiply(base, maps), shape).to(theta.type());
}

constexpr OperatorEntry kOperators[] = {
    {"aten.grid_sampler.default", grid_sampler},
    {"aten.grid_sampler_2d.default", grid_sampler},
    {"aten.grid_sampler_3d.default", grid_sampler},
    {"aten.affine_grid_generator.default", affine_grid},
};

}  // namespace

std::span<const OperatorEntry> grid_sample_operators() { return kOperators; }

}  // namespace tinyml::evaluation
