// affine_grid_generator: the constant positions of the pixels times the transformations.
#include "lower/registry.h"

namespace tinyml::lowering {
namespace {

// The middle (or, under align_corners, the ends) of `count` pixels between -1 and 1.
std::vector<float> steps(int64_t count, bool align_corners) {
  std::vector<float> values;
  const auto length = static_cast<double>(count);
  for (int64_t i = 0; i < count; ++i) {
    const auto position = static_cast<double>(i);
    if (count == 1) {
      values.push_back(0);
    } else if (align_corners) {
      values.push_back(static_cast<float>(2 * position / (length - 1) - 1));
    } else {
      values.push_back(static_cast<float>((2 * position + 1) / length - 1));
    }
  }
  return values;
}

// One row {x, y, z, 1} (without z for images) for each pixel.
void lower_affine_grid(Lowering& at) {
  const Sizes size = at.integers("size");
  const TensorId theta = at.input("theta", Type::FLOAT32);
  const bool align_corners = at.flag("align_corners");
  const Sizes image(size.begin() + 2, size.end());
  std::vector<std::vector<float>> axes;
  int64_t pixels = 1;
  for (const int64_t length : image) {
    axes.push_back(steps(length, align_corners));
    pixels *= length;
  }
  const size_t dims = image.size();
  std::vector<float> base(static_cast<size_t>(pixels) * (dims + 1), 1);
  for (int64_t pixel = 0; pixel < pixels; ++pixel) {
    int64_t rest = pixel;
    for (size_t dim = dims; dim-- > 0;) {  // the last dimension is x, the first column
      base[static_cast<size_t>(pixel) * (dims + 1) + dims - 1 - dim] =
          axes[dim][static_cast<size_t>(rest % image[dim])];
      rest /= image[dim];
    }
  }
  const auto columns = static_cast<int64_t>(dims);
  const TensorId positions = at.constant(std::move(base), {1, pixels, columns + 1});
  tflite::BatchMatMulOptions transposed;
  transposed.adj_y = true;
  const TensorId grid =
      at.emit(Op::BATCH_MATMUL, {positions, theta}, Type::FLOAT32, {size[0], pixels, columns}, transposed);
  at.set_output(at.reshape(grid, at.output_sizes()));
}

}  // namespace

void register_affine_grid(Registry& registry) { registry.add({"affine_grid_generator.default"}, lower_affine_grid); }

}  // namespace tinyml::lowering
