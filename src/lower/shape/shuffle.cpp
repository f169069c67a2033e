// pixel_shuffle, pixel_unshuffle: a permutation of the channels and DEPTH_TO_SPACE or SPACE_TO_DEPTH; channel_shuffle,
// roll, flip.
#include <utility>

#include "lower/registry.h"

namespace tinyml::lowering {
namespace {

TensorId as_image(Lowering& at, TensorId x) {
  const Sizes shape = at.shape(x);
  Sizes image = {1, shape[shape.size() - 3], shape[shape.size() - 2], shape[shape.size() - 1]};
  for (size_t i = 0; i + 3 < shape.size(); ++i) image[0] *= shape[i];
  return at.reshape(x, image);
}

// PyTorch counts channels as (c, block offset), TFLite as (block offset, c).
void lower_pixel_shuffle(Lowering& at) {
  TensorId x = as_image(at, at.input("self"));
  const int64_t block = at.integer("upscale_factor");
  const Sizes in = at.shape(x);
  const int64_t channels = in[1] / (block * block);
  if (channels > 1) {
    Sizes order;
    for (int64_t offset = 0; offset < block * block; ++offset) {
      for (int64_t c = 0; c < channels; ++c) order.push_back(c * block * block + offset);
    }
    x = at.gather(x, order, 1);
  }
  const Sizes out = {in[0], channels, in[2] * block, in[3] * block};
  if (block > 1) {
    x = at.emit(Op::DEPTH_TO_SPACE, {x}, at.type(x), out, tflite::DepthToSpaceOptions{static_cast<int32_t>(block)},
                true);
  }
  at.set_output(at.reshape(x, at.output_sizes()));
}

void lower_pixel_unshuffle(Lowering& at) {
  TensorId x = as_image(at, at.input("self"));
  const int64_t block = at.integer("downscale_factor");
  const Sizes in = at.shape(x);
  const Sizes out = {in[0], in[1] * block * block, in[2] / block, in[3] / block};
  if (block > 1) {
    x = at.emit(Op::SPACE_TO_DEPTH, {x}, at.type(x), out, tflite::SpaceToDepthOptions{static_cast<int32_t>(block)},
                true);
    if (in[1] > 1) {
      Sizes order;
      for (int64_t c = 0; c < in[1]; ++c) {
        for (int64_t offset = 0; offset < block * block; ++offset) order.push_back(offset * in[1] + c);
      }
      x = at.gather(x, order, 1);
    }
  }
  at.set_output(at.reshape(x, at.output_sizes()));
}

void lower_channel_shuffle(Lowering& at) {
  const TensorId x = at.input("self");
  const Sizes shape = at.shape(x);
  const int64_t groups = at.integer("groups");
  Sizes split = {shape[0], groups, shape[1] / groups};
  split.insert(split.end(), shape.begin() + 2, shape.end());
  Sizes order = {0, 2, 1};
  for (size_t i = 3; i < split.size(); ++i) order.push_back(static_cast<int64_t>(i));
  at.set_output(at.reshape(at.transpose(at.reshape(x, split), order), shape));
}

TensorId roll(Lowering& at, TensorId x, int64_t axis, int64_t shift) {
  const Sizes shape = at.shape(x);
  const auto dim = static_cast<size_t>(axis);
  const int64_t length = shape[dim];
  const int64_t begin = ((length - shift) % length + length) % length;
  if (begin == 0) return x;
  Sizes start(shape.size(), 0);
  Sizes size = shape;
  size[dim] = begin;
  const TensorId head = at.slice(x, start, size);
  start[dim] = begin;
  size[dim] = length - begin;
  return at.concatenate({at.slice(x, start, size), head}, axis);
}

void lower_roll(Lowering& at) {
  TensorId x = at.input("self");
  const Sizes shifts = at.integers("shifts");
  const Sizes dims = at.integers("dims");
  if (dims.empty()) {
    int64_t count = 1;
    for (const int64_t size : at.shape(x)) count *= size;
    return at.set_output(at.reshape(roll(at, at.reshape(x, {count}), 0, shifts[0]), at.output_sizes()));
  }
  for (size_t i = 0; i < dims.size(); ++i) x = roll(at, x, dims[i] < 0 ? dims[i] + at.rank(x) : dims[i], shifts[i]);
  at.set_output(x);
}

TensorId flip(Lowering& at, TensorId x, const Sizes& dims) {
  for (const int64_t dim : dims) {
    const int64_t axis = dim < 0 ? dim + at.rank(x) : dim;
    x = at.emit(Op::REVERSE_V2, {x, at.indices({axis})}, at.type(x), at.shape(x));
  }
  return x;
}

void lower_flip(Lowering& at) { at.set_output(flip(at, at.input("self"), at.integers("dims"))); }
void lower_fliplr(Lowering& at) { at.set_output(flip(at, at.input("self"), {1})); }
void lower_flipud(Lowering& at) { at.set_output(flip(at, at.input("self"), {0})); }

// A quarter turn is a flip and a transpose.
void lower_rot90(Lowering& at) {
  const TensorId x = at.input("self");
  const int64_t turns = (at.integer("k") % 4 + 4) % 4;
  Sizes dims = at.integers("dims");
  for (int64_t& dim : dims) dim = dim < 0 ? dim + at.rank(x) : dim;
  if (turns == 0) return at.set_output(x);
  if (turns == 2) return at.set_output(flip(at, x, dims));
  Sizes order;
  for (int64_t axis = 0; axis < at.rank(x); ++axis) order.push_back(axis);
  std::swap(order[static_cast<size_t>(dims[0])], order[static_cast<size_t>(dims[1])]);
  at.set_output(at.transpose(flip(at, x, {turns == 1 ? dims[1] : dims[0]}), order));
}

}  // namespace

void register_shuffle(Registry& registry) {
  registry.add({"pixel_shuffle.default"}, lower_pixel_shuffle);
  registry.add({"pixel_unshuffle.default"}, lower_pixel_unshuffle);
  registry.add({"channel_shuffle.default", "native_channel_shuffle.default"}, lower_channel_shuffle);
  registry.add({"roll.default"}, lower_roll);
  registry.add({"flip.default"}, lower_flip);
  registry.add({"fliplr.default"}, lower_fliplr);
  registry.add({"flipud.default"}, lower_flipud);
  registry.add({"rot90.default"}, lower_rot90);
}

}  // namespace tinyml::lowering
