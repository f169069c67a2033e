// grid_sampler: for each corner of the cell that a position lies in, a GATHER of pixels times a weight.
#include "lower/nn/grid_sample.h"

#include <cmath>

#include "lower/registry.h"

namespace tinyml::lowering {
namespace {

constexpr double kExactIntegers = 16777216;  // floats hold every integer up to here

TensorId number(Lowering& at, double value) { return at.scalar(value, Type::FLOAT32); }

TensorId clamp(Lowering& at, TensorId x, double low, double high) {
  return at.binary(Op::MINIMUM, at.binary(Op::MAXIMUM, x, number(at, low)), number(at, high));
}

TensorId scale_and_shift(Lowering& at, TensorId x, double scale, double shift) {
  if (scale != 1) x = at.binary(Op::MUL, x, number(at, scale));
  return shift == 0 ? x : at.binary(Op::ADD, x, number(at, shift));
}

// Positions outside [low, high] are mirrored at the ends until they lie within.
TensorId reflect(Lowering& at, TensorId x, double low, double high) {
  const double span = high - low;
  if (span <= 0) return at.binary(Op::MUL, x, number(at, 0));
  // The distance from `low` modulo two spans, measured from the nearer end of the double span.
  const TensorId distance = at.unary(Op::ABS, scale_and_shift(at, x, 1, -low));
  const TensorId turns = at.unary(Op::FLOOR, at.binary(Op::MUL, distance, number(at, 1 / (2 * span))));
  const TensorId rest = at.binary(Op::SUB, distance, at.binary(Op::MUL, turns, number(at, 2 * span)));
  const TensorId from_middle = at.unary(Op::ABS, scale_and_shift(at, rest, 1, -span));
  return at.binary(Op::SUB, number(at, high), from_middle);
}

// How positions along one dimension of `size` pixels are turned into indices of the padded image.
struct Axis {
  int64_t size;
  GridPadding padding;
  bool align_corners;

  // -1 .. 1 to pixels.
  TensorId to_pixels(Lowering& at, TensorId x) const {
    const auto length = static_cast<double>(size);
    return align_corners ? scale_and_shift(at, x, (length - 1) / 2, (length - 1) / 2)
                         : scale_and_shift(at, x, length / 2, (length - 1) / 2);
  }

  // Whole or fractional pixels, bounded to those that exist; under kZeros to one more on each side.
  TensorId bound(Lowering& at, TensorId x) const {
    const auto last = static_cast<double>(size - 1);
    if (padding == GridPadding::kZeros) return clamp(at, x, -1, last + 1);
    if (padding == GridPadding::kReflection) {
      x = align_corners ? reflect(at, x, 0, last) : reflect(at, x, -0.5, last + 0.5);
    }
    return clamp(at, x, 0, last);
  }
};

// A pixel along one dimension: its index (a float without fraction) and its weight (kNoTensor: 1).
struct Corner {
  TensorId index, weight;
};

std::vector<Corner> nearest_corners(Lowering& at, const Axis& axis, TensorId x) {
  return {{at.unary(Op::ROUND, axis.bound(at, x)), tflite::kNoTensor}};
}

std::vector<Corner> linear_corners(Lowering& at, const Axis& axis, TensorId x) {
  x = axis.bound(at, x);
  const TensorId low = at.unary(Op::FLOOR, x);
  const TensorId fraction = at.binary(Op::SUB, x, low);
  return {{low, at.binary(Op::SUB, number(at, 1), fraction)}, {at.binary(Op::ADD, low, number(at, 1)), fraction}};
}

// ((a x + b) x + c) x + d
TensorId cubic(Lowering& at, TensorId x, double a, double b, double c, double d) {
  TensorId y = scale_and_shift(at, x, a, b);
  y = at.binary(Op::MUL, y, x);
  if (c != 0) y = at.binary(Op::ADD, y, number(at, c));
  y = at.binary(Op::MUL, y, x);
  return d == 0 ? y : at.binary(Op::ADD, y, number(at, d));
}

// Keys' cubic convolution with a = -0.75, every tap bounded by itself.
std::vector<Corner> cubic_corners(Lowering& at, const Axis& axis, TensorId x) {
  constexpr double a = -0.75;
  const TensorId low = at.unary(Op::FLOOR, x);
  const TensorId t = at.binary(Op::SUB, x, low);
  const TensorId rest = at.binary(Op::SUB, number(at, 1), t);
  const std::vector<TensorId> weights = {cubic(at, t, a, -2 * a, a, 0), cubic(at, t, a + 2, -(a + 3), 0, 1),
                                         cubic(at, rest, a + 2, -(a + 3), 0, 1), cubic(at, rest, a, -2 * a, a, 0)};
  std::vector<Corner> corners;
  for (int tap = 0; tap < 4; ++tap) {
    corners.push_back({axis.bound(at, scale_and_shift(at, low, 1, tap - 1)), weights[static_cast<size_t>(tap)]});
  }
  return corners;
}

// Coordinate `i` of the grid [N, spatial..., dims] as a column [N * positions, 1].
TensorId coordinate(Lowering& at, TensorId grid, int64_t i) {
  Sizes begin(at.shape(grid).size(), 0);
  Sizes size = at.shape(grid);
  int64_t count = 1;
  for (size_t k = 0; k + 1 < size.size(); ++k) count *= size[k];
  begin.back() = i;
  size.back() = 1;
  return at.reshape(at.slice(grid, begin, size), {count, 1});
}

// The first pixel of each position's image: its number times the pixels of an image.
TensorId image_offsets(Lowering& at, int64_t images, int64_t positions, int64_t pixels) {
  std::vector<float> offsets;
  for (int64_t image = 0; image < images; ++image) {
    offsets.insert(offsets.end(), static_cast<size_t>(positions), static_cast<float>(image * pixels));
  }
  return at.constant(std::move(offsets), {images * positions, 1});
}

std::vector<Corner> corners_of(Lowering& at, const Axis& axis, TensorId x, GridMode mode) {
  if (mode == GridMode::kNearest) return nearest_corners(at, axis, x);
  return mode == GridMode::kCubic ? cubic_corners(at, axis, x) : linear_corners(at, axis, x);
}

// Index and weight of every pixel that a position reads; dimensions from the first to the last.
std::vector<Corner> cell_corners(Lowering& at, TensorId grid, const Sizes& image, const Sizes& padded, GridMode mode,
                                 GridPadding padding, bool align_corners) {
  std::vector<Corner> cell;
  const bool shifted = padding == GridPadding::kZeros;
  const auto dims = static_cast<int64_t>(image.size());
  for (int64_t dim = 0; dim < dims; ++dim) {
    const auto d = static_cast<size_t>(dim);
    const Axis axis{image[d], padding, align_corners};
    const TensorId x = axis.to_pixels(at, coordinate(at, grid, dims - 1 - dim));  // the grid lists x before y before z
    std::vector<Corner> next;
    for (Corner corner : corners_of(at, axis, x, mode)) {
      if (shifted) corner.index = scale_and_shift(at, corner.index, 1, 1);
      for (const Corner& outer : cell) {
        const TensorId row = at.binary(Op::MUL, outer.index, number(at, static_cast<double>(padded[d])));
        const TensorId index = at.binary(Op::ADD, row, corner.index);
        const TensorId weight =
            corner.weight == tflite::kNoTensor ? corner.weight : at.binary(Op::MUL, outer.weight, corner.weight);
        next.push_back({index, weight});
      }
      if (cell.empty()) next.push_back(corner);
    }
    cell = std::move(next);
  }
  return cell;
}

void lower_grid_sampler(Lowering& at) {
  const int64_t mode = at.integer("interpolation_mode");
  const int64_t padding = at.integer("padding_mode");
  if (mode < 0 || mode > 2 || padding < 0 || padding > 2) at.refuse("an unknown interpolation or padding mode");
  at.set_output(grid_sample(at, at.input("input", Type::FLOAT32), at.input("grid", Type::FLOAT32),
                            static_cast<GridMode>(mode), static_cast<GridPadding>(padding), at.flag("align_corners")));
}

}  // namespace

TensorId grid_sample(Lowering& at, TensorId x, TensorId grid, GridMode mode, GridPadding padding, bool align_corners) {
  const Sizes in = at.shape(x);
  const auto rank = static_cast<int64_t>(in.size());
  const Sizes image(in.begin() + 2, in.end());
  // A border of zeros where a position may read beyond the image: a pixel on each side, and one more for the corner
  // after the last (whose weight is zero).
  const bool zeros = padding == GridPadding::kZeros;
  const int64_t beyond = mode == GridMode::kLinear ? 1 : 0;
  Sizes before(in.size(), 0);
  Sizes after(in.size(), 0);
  Sizes padded = image;
  int64_t pixels = 1;
  for (size_t i = 0; i < image.size(); ++i) {
    before[i + 2] = zeros ? 1 : 0;
    after[i + 2] = beyond + (zeros ? 1 : 0);
    padded[i] += before[i + 2] + after[i + 2];
    pixels *= padded[i];
  }
  if (static_cast<double>(in[0]) * static_cast<double>(pixels) > kExactIntegers) {
    at.refuse("an image of more than 16 million pixels", "sample smaller images");
  }
  Sizes order = {0};
  for (int64_t i = 2; i < rank; ++i) order.push_back(i);
  order.push_back(1);
  const TensorId rows = at.reshape(at.transpose(at.pad(x, before, after), order), {in[0] * pixels, in[1]});
  Sizes out = at.shape(grid);
  int64_t positions = 1;
  for (size_t i = 1; i + 1 < out.size(); ++i) positions *= out[i];
  out.back() = in[1];
  TensorId sum = tflite::kNoTensor;
  for (const Corner& corner : cell_corners(at, grid, image, padded, mode, padding, align_corners)) {
    TensorId index = corner.index;
    if (in[0] > 1) index = at.binary(Op::ADD, index, image_offsets(at, in[0], positions, pixels));
    index = at.reshape(at.cast(index, Type::INT32), {in[0] * positions});
    TensorId part = at.gather(rows, index, 0);
    if (corner.weight != tflite::kNoTensor) part = at.binary(Op::MUL, part, corner.weight);
    sum = sum == tflite::kNoTensor ? part : at.binary(Op::ADD, sum, part);
  }
  Sizes back = {0, rank - 1};
  for (int64_t i = 1; i + 1 < rank; ++i) back.push_back(i);
  return at.transpose(at.reshape(sum, out), back);
}

void register_grid_sample(Registry& registry) {
  registry.add({"grid_sampler.default", "grid_sampler_2d.default", "grid_sampler_3d.default"}, lower_grid_sampler,
               "batches of up to 16 million pixels");
}

}  // namespace tinyml::lowering
