#pragma once

#include <optional>
#include <vector>

#include "tflite/layout/order.h"

namespace tinyml::tflite {

/// What a chain of RESHAPE and TRANSPOSE does to a tensor, as one RESHAPE into *atoms* (pieces of the source's axes,
/// in the source's sequence), one TRANSPOSE of them, and one RESHAPE to the result's shape. Sizes are static.
class Rearrangement {
 public:
  explicit Rearrangement(const Shape& source);

  /// Follows a RESHAPE to `shape`; false (and nothing can be said any more) when an axis would have to be cut where
  /// its size does not divide, or when a size is 0.
  bool reshape(const Shape& shape);
  void transpose(const Order& permutation);

  /// The atoms' sizes in the source's sequence, fewest possible (neighbours that stay together are one atom).
  Shape atoms() const;
  /// Their sequence in the result.
  Order order() const;
  /// The shape reached so far.
  const Shape& shape() const { return shape_; }
  /// Whether every atom stays where it is: a RESHAPE does the same.
  bool moves_nothing() const { return order().size() <= 1; }

 private:
  struct Runs {
    std::vector<std::vector<int>> by_source;  // Atom ids that stay together, in the source's sequence.
    Order order;
  };
  Runs runs() const;

  Shape shape_;
  std::vector<int32_t> size_;           // By atom id. Axes of size 1 have none.
  std::vector<int> source_;             // Atom ids in the source's sequence.
  std::vector<std::vector<int>> axes_;  // Atom ids of each axis of the present shape.
};

/// If the rearrangement permutes the indices of one axis of an otherwise unchanged shape: that axis, and for each index
/// of the result the index of the source (`shape` is that of both).
struct AxisShuffle {
  int axis;
  std::vector<int32_t> indices;
};
std::optional<AxisShuffle> axis_shuffle(const Shape& source, const Rearrangement& rearrangement);

}  // namespace tinyml::tflite
