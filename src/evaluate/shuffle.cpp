// Operators that move elements between channels and positions, or channels among themselves.
#include <fmt/format.h>

#include "evaluate/registry.h"
#include "evaluate/view.h"

namespace tinyml::evaluation {
namespace {

/// The sizes before the last three dimensions, then `tail`.
Sizes with_tail(const Tensor& self, std::initializer_list<int64_t> tail) {
  Sizes shape(self.shape().begin(), self.shape().end() - 3);
  shape.insert(shape.end(), tail);
  return shape;
}

/// Dimensions before the last `order.size()` stay, those are permuted.
Tensor permute_tail(const Tensor& self, std::initializer_list<int64_t> order) {
  const int64_t first = self.rank() - static_cast<int64_t>(order.size());
  Sizes all;
  for (int64_t dim = 0; dim < first; ++dim) all.push_back(dim);
  for (int64_t dim : order) all.push_back(first + dim);
  return self.permuted(all).contiguous();
}

/// [C*r*r, H, W] -> [C, H*r, W*r]
Tensor pixel_shuffle(const OperatorCall& call) {
  const Tensor self = call.tensor("self");
  const int64_t r = call.integer("upscale_factor");
  if (self.rank() < 3 || r < 1 || self.size(-3) % (r * r) != 0) {
    throw Error(fmt::format("pixel_shuffle: the channels are not a multiple of {}", r * r));
  }
  const int64_t channels = self.size(-3) / (r * r), height = self.size(-2), width = self.size(-1);
  const Tensor split = reshape(self, with_tail(self, {channels, r, r, height, width}));
  return reshape(permute_tail(split, {0, 3, 1, 4, 2}), with_tail(self, {channels, height * r, width * r}));
}

/// [C, H*r, W*r] -> [C*r*r, H, W]
Tensor pixel_unshuffle(const OperatorCall& call) {
  const Tensor self = call.tensor("self");
  const int64_t r = call.integer("downscale_factor");
  if (self.rank() < 3 || r < 1 || self.size(-2) % r != 0 || self.size(-1) % r != 0) {
    throw Error(fmt::format("pixel_unshuffle: height and width are not multiples of {}", r));
  }
  const int64_t channels = self.size(-3), height = self.size(-2) / r, width = self.size(-1) / r;
  const Tensor split = reshape(self, with_tail(self, {channels, height, r, width, r}));
  return reshape(permute_tail(split, {0, 2, 4, 1, 3}), with_tail(self, {channels * r * r, height, width}));
}

/// Channel i of group g becomes channel g of group i.
Tensor channel_shuffle(const OperatorCall& call) {
  const Tensor self = call.tensor("self");
  const int64_t groups = call.integer("groups");
  if (self.rank() < 3 || groups < 1 || self.size(1) % groups != 0) {
    throw Error(fmt::format("channel_shuffle: the channels are not a multiple of {} groups", groups));
  }
  const int64_t positions = self.numel() / std::max<int64_t>(self.size(0) * self.size(1), 1);
  const Tensor split = reshape(self, {self.size(0), groups, self.size(1) / groups, positions});
  return reshape(permute_tail(split, {1, 0, 2}), self.shape());
}

constexpr OperatorEntry kTable[] = {
    {"aten.pixel_shuffle.default", pixel_shuffle},
    {"aten.pixel_unshuffle.default", pixel_unshuffle},
    {"aten.channel_shuffle.default", channel_shuffle},
    {"aten.native_channel_shuffle.default", channel_shuffle},
};

}  // namespace

std::span<const OperatorEntry> shuffle_operators() { return kTable; }

}  // namespace tinyml::evaluation
