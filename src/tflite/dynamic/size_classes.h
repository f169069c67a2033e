// The dynamic sizes that follow from no others: of inputs, and of what operators of unknown meaning make.
#pragma once

#include <cstdint>
#include <map>
#include <tuple>
#include <vector>

#include "tinyml/tflite.h"

namespace tinyml::tflite {

/// Each dimension of unknown size has a class; sizes that the model forces to be equal are of one class. A class has
/// the number of the file and, for every `variant`, a number of its own.
class SizeClasses {
 public:
  /// The shape of a tensor whose sizes follow from nothing: dynamic ones by their classes.
  Shape shape_of(size_t subgraph, int id, const Tensor& tensor);

  /// Which numbers shape_of gives; numbers of one variant differ from those of the others.
  void use_variant(int variant) { variant_ = variant; }
  static constexpr int kVariants = 8;
  /// Larger numbers for sizes that the file gives as 1, for windows to fit into them; false when they are large enough.
  bool enlarge();

  /// What to do where shapes do not fit each other: unites classes that stand in the same place of several of them
  /// (counted from the last axis), or all with the same number in the file. False when there are none.
  bool unite_aligned(const std::vector<Shape>& shapes);
  bool unite_alike(const std::vector<Shape>& shapes);
  /// Classes that these shapes have a part of keep the file's number from now on; all, when none is seen. False when no
  /// class is left that could change.
  bool pin(const std::vector<Shape>& shapes);

 private:
  struct SizeClass {
    int parent;
    int rank;         ///< Among those of its kind, in order of appearance.
    int32_t example;  ///< The number in the file.
    bool pinned = false;
  };
  int root(int c) const;
  int32_t factor(int c) const;
  int32_t size(int c) const;
  int class_of(int32_t size) const;  ///< Not pinned; -1 when the number belongs to none.
  bool unite(int a, int b);

  std::map<std::tuple<size_t, int, size_t>, int> ids_;
  std::vector<SizeClass> classes_;
  int variant_ = 0, large_ = 0, small_ = 0, shift_ = 0;
};

}  // namespace tinyml::tflite
