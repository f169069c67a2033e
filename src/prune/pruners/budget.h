#pragma once

#include "prune/pruners/journal.h"

namespace tinyml::prune {

/// What a run of several cuts brings down to its target: multiply-accumulates, parameters or seconds. Amounts count
/// from the model that the run began with.
class Budget {
 public:
  /// Measures the model. Throws Error unless the config has exactly one target.
  Budget(const PruningConfig& config, const PruningHost& host, Journal& journal);

  double whole() const { return whole_; }    ///< At the beginning.
  double target() const { return target_; }  ///< What may remain.
  /// What a graph uses of it.
  double of(const Graph& graph) const;
  /// Whether it is a latency, which is slow to tell and never twice the same.
  bool is_measured() const { return kind_ == Kind::kLatency; }
  /// The config with `amount` as its only target.
  PruningConfig limit(PruningConfig config, double amount) const;
  /// The config without any target.
  static PruningConfig without_target(PruningConfig config);
  const char* name() const;

 private:
  enum class Kind : uint8_t { kMacs, kParameters, kLatency };
  Kind kind_ = Kind::kMacs;
  LatencyFunction latency_;
  double whole_ = 0.0, target_ = 0.0;
};

}  // namespace tinyml::prune
