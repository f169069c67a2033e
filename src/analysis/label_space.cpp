#include "analysis/label_space.h"

#include <algorithm>
#include <numeric>

namespace tinyml::analysis {

LabelList LabelSpace::fresh(int64_t count) {
  const auto first = static_cast<Label>(parents_.size());
  auto labels = std::make_shared<Labels>(static_cast<size_t>(count));
  std::iota(labels->begin(), labels->end(), first);
  parents_.insert(parents_.end(), labels->begin(), labels->end());
  sizes_.resize(parents_.size(), 1);
  pins_.resize(parents_.size(), kFree);
  return labels;
}

Label LabelSpace::find(Label label) const {
  while (parents_[label] != label) {
    parents_[label] = parents_[parents_[label]];
    label = parents_[label];
  }
  return label;
}

void LabelSpace::unite(Label a, Label b) {
  a = find(a);
  b = find(b);
  if (a == b) return;
  if (sizes_[a] < sizes_[b]) std::swap(a, b);
  parents_[b] = a;
  sizes_[a] += sizes_[b];
  pins_[a] = std::min(pins_[a], pins_[b]);
}

void LabelSpace::unite(const LabelList& a, const LabelList& b) {
  if (a == b) return;
  TINYML_CHECK(a->size() == b->size());
  for (size_t i = 0; i < a->size(); ++i) unite((*a)[i], (*b)[i]);
}

void LabelSpace::pin(Label label, uint32_t reason) {
  uint32_t& pin = pins_[find(label)];
  pin = std::min(pin, reason);
}

void LabelSpace::pin(const LabelList& labels, uint32_t reason) {
  for (Label label : *labels) pin(label, reason);
}

uint32_t LabelSpace::add_reason(PinReason reason) {
  if (!reasons_.empty() && reasons_.back().node == reason.node && reasons_.back().what == reason.what) {
    return static_cast<uint32_t>(reasons_.size() - 1);
  }
  reasons_.push_back(std::move(reason));
  return static_cast<uint32_t>(reasons_.size() - 1);
}

const PinReason* LabelSpace::pinned(Label label) const {
  const uint32_t pin = pins_[find(label)];
  return pin == kFree ? nullptr : &reasons_[pin];
}

}  // namespace tinyml::analysis
