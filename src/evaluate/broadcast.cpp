#include "evaluate/broadcast.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace tinyml::evaluation {

int64_t product(std::span<const int64_t> sizes) {
  int64_t result = 1;
  for (int64_t size : sizes) {
    if (__builtin_mul_overflow(result, size, &result)) throw Error("a shape has too many elements");
  }
  return result;
}

Sizes broadcast_shapes(std::span<const Sizes> shapes) {
  size_t rank = 0;
  for (const Sizes& shape : shapes) rank = std::max(rank, shape.size());
  Sizes result(rank, 1);
  for (const Sizes& shape : shapes) {
    for (size_t i = 0; i < shape.size(); ++i) {
      int64_t& size = result[rank - shape.size() + i];
      if (shape[i] == size || shape[i] == 1) continue;
      if (size != 1) {
        std::vector<std::string> texts;
        for (const Sizes& each : shapes) texts.push_back(fmt::format("[{}]", fmt::join(each, ", ")));
        throw Error(fmt::format("shapes {} cannot be broadcast together", fmt::join(texts, ", ")));
      }
      size = shape[i];
    }
  }
  return result;
}

Tensor broadcast_to(const Tensor& tensor, const Sizes& shape) {
  if (tensor.shape() == shape) return tensor;
  const Sizes shapes[] = {tensor.shape(), shape};
  if (broadcast_shapes(shapes) != shape) {
    throw Error(
        fmt::format("shape [{}] cannot be broadcast to [{}]", fmt::join(tensor.shape(), ", "), fmt::join(shape, ", ")));
  }
  const size_t added = shape.size() - tensor.shape().size();
  Sizes strides(shape.size(), 0);
  for (size_t i = added; i < shape.size(); ++i) {
    strides[i] = tensor.shape()[i - added] == 1 ? 0 : tensor.strides()[i - added];
  }
  return Tensor(tensor.type(), shape, std::move(strides), tensor.offset(), tensor.storage());
}

BroadcastWalk::BroadcastWalk(const Sizes& shape, std::span<const Sizes> operand_shapes) {
  std::vector<Sizes> steps;
  for (const Sizes& operand : operand_shapes) {
    Sizes step(shape.size(), 0);
    const size_t added = shape.size() - operand.size();
    int64_t stride = 1;
    for (size_t i = operand.size(); i-- > 0;) {
      step[added + i] = operand[i] == 1 ? 0 : stride;
      stride *= operand[i];
    }
    steps.push_back(std::move(step));
  }
  steps_.resize(steps.size());
  for (size_t d = 0; d < shape.size(); ++d) {
    if (shape[d] == 1) continue;
    bool merges = !sizes_.empty();
    for (size_t i = 0; merges && i < steps.size(); ++i) merges = steps_[i].back() == steps[i][d] * shape[d];
    if (merges) {
      sizes_.back() *= shape[d];
      for (size_t i = 0; i < steps.size(); ++i) steps_[i].back() = steps[i][d];
    } else {
      sizes_.push_back(shape[d]);
      for (size_t i = 0; i < steps.size(); ++i) steps_[i].push_back(steps[i][d]);
    }
  }
  if (sizes_.empty()) {
    sizes_.push_back(1);
    for (Sizes& step : steps_) step.push_back(1);
  }
}

}  // namespace tinyml::evaluation
