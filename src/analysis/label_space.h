#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tinyml/graph.h"

namespace tinyml::analysis {

/// A channel index of some tensor; united labels live or die together.
using Label = uint32_t;
using Labels = std::vector<Label>;
using LabelList = std::shared_ptr<const Labels>;

struct PinReason {
  NodeId node = kNoNode;
  std::string what;
};

/// Union-find over labels; a class may be pinned, with the first reason given.
class LabelSpace {
 public:
  LabelList fresh(int64_t count);
  Label find(Label label) const;
  void unite(Label a, Label b);
  /// Element by element; equal lengths.
  void unite(const LabelList& a, const LabelList& b);
  void pin(Label label, uint32_t reason);
  void pin(const LabelList& labels, uint32_t reason);
  uint32_t add_reason(PinReason reason);
  /// The reason the label's class is pinned for, or nullptr.
  const PinReason* pinned(Label label) const;
  size_t size() const { return parents_.size(); }

 private:
  static constexpr uint32_t kFree = UINT32_MAX;
  mutable std::vector<Label> parents_;
  std::vector<uint32_t> sizes_;
  std::vector<uint32_t> pins_;  ///< By root: index into reasons_, or kFree.
  std::vector<PinReason> reasons_;
};

}  // namespace tinyml::analysis
