#include "tflite/dynamic/size_classes.h"

#include <algorithm>

namespace tinyml::tflite {
namespace {

constexpr int32_t kLarge = 32;        // Sizes that are multiplied by small primes only, so that products stay in range.
constexpr int kLargeClasses = 4;      // For more of them the small primes do not suffice.
constexpr int kSmallOffset = 16;      // Where the primes of all other classes start.
constexpr int32_t kWidest = 1 << 17;  // Products of larger ones with a prime would leave the range.
constexpr int kLargestShift = 6;

int32_t prime(int index) {
  static const std::vector<int32_t> primes = [] {
    std::vector<int32_t> found;
    for (int32_t n = 3; found.size() < 1024; n += 2) {
      if (std::none_of(found.begin(), found.end(), [&](int32_t p) { return n % p == 0; })) found.push_back(n);
    }
    return found;
  }();
  return primes[static_cast<size_t>(index) % primes.size()];
}

}  // namespace

int SizeClasses::root(int c) const {
  while (classes_[static_cast<size_t>(c)].parent != c) c = classes_[static_cast<size_t>(c)].parent;
  return c;
}

int32_t SizeClasses::factor(int c) const {
  const SizeClass& at = classes_[static_cast<size_t>(c)];
  if (at.pinned || at.example > kWidest) return 1;
  if (at.example >= kLarge && at.rank < kLargeClasses) return prime(2 * at.rank + variant_);
  return prime(kSmallOffset + 2 * at.rank + variant_) << (at.example == 1 ? shift_ : 0);
}

int32_t SizeClasses::size(int c) const { return classes_[static_cast<size_t>(c)].example * factor(c); }

Shape SizeClasses::shape_of(size_t subgraph, int id, const Tensor& tensor) {
  Shape shape = tensor.shape;
  for (size_t axis = 0; axis < tensor.shape_signature.size() && axis < shape.size(); ++axis) {
    if (tensor.shape_signature[axis] >= 0) continue;
    const auto [entry, is_new] = ids_.try_emplace({subgraph, id, axis}, static_cast<int>(classes_.size()));
    if (is_new) {
      const int32_t example = std::max(shape[axis], 1);
      const bool is_large = example >= kLarge && large_ < kLargeClasses;
      classes_.push_back({entry->second, is_large ? large_++ : kLargeClasses + small_++, example});
    }
    shape[axis] = size(root(entry->second));
  }
  return shape;
}

bool SizeClasses::enlarge() {
  if (shift_ == kLargestShift) return false;
  ++shift_;
  return true;
}

int SizeClasses::class_of(int32_t size) const {
  for (int c = 0; c < static_cast<int>(classes_.size()); ++c) {
    if (root(c) == c && !classes_[static_cast<size_t>(c)].pinned && this->size(c) == size) return c;
  }
  return -1;
}

bool SizeClasses::unite(int a, int b) {
  if (a < 0 || b < 0 || a == b) return false;
  if (classes_[static_cast<size_t>(a)].example != classes_[static_cast<size_t>(b)].example) return false;
  classes_[static_cast<size_t>(std::max(a, b))].parent = std::min(a, b);
  shift_ = 0;
  return true;
}

bool SizeClasses::unite_aligned(const std::vector<Shape>& shapes) {
  for (size_t i = 0; i < shapes.size(); ++i) {
    for (size_t j = i + 1; j < shapes.size(); ++j) {
      for (size_t back = 1; back <= std::min(shapes[i].size(), shapes[j].size()); ++back) {
        const int a = class_of(shapes[i][shapes[i].size() - back]);
        if (unite(a, class_of(shapes[j][shapes[j].size() - back]))) return true;
      }
    }
  }
  return false;
}

bool SizeClasses::unite_alike(const std::vector<Shape>& shapes) {
  std::vector<int> seen;
  for (const Shape& shape : shapes) {
    for (const int32_t size : shape) seen.push_back(class_of(size));
  }
  for (size_t i = 0; i < seen.size(); ++i) {
    for (size_t j = i + 1; j < seen.size(); ++j) {
      if (unite(seen[i], seen[j])) return true;
    }
  }
  return false;
}

bool SizeClasses::pin(const std::vector<Shape>& shapes) {
  const auto occurs = [&](int c) {
    return std::any_of(shapes.begin(), shapes.end(), [&](const Shape& shape) {
      return std::any_of(shape.begin(), shape.end(), [&](int32_t size) { return size > 0 && size % factor(c) == 0; });
    });
  };
  bool some = false;
  for (const bool all : {false, true}) {
    if (some) break;
    for (int c = 0; c < static_cast<int>(classes_.size()); ++c) {
      SizeClass& at = classes_[static_cast<size_t>(c)];
      if (root(c) != c || at.pinned || (!all && !occurs(c))) continue;
      at.pinned = true;
      some = true;
    }
  }
  shift_ = 0;
  return some;
}

}  // namespace tinyml::tflite
