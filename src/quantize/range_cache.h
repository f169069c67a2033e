// Calibration of several quantizations of one model.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "tinyml/calibration.h"

namespace tinyml::quantization {

/// Ranges of values that were observed already, by the values' names and the schemes they were chosen for.
class RangeCache {
 public:
  /// As calibrate(); samples run only where a range is not known yet. All calls: the same samples and float model.
  Graph calibrate(const Graph& graph, const std::vector<std::vector<Tensor>>& samples,
                  const std::function<void(size_t)>& on_sample = {});

 private:
  std::map<std::string, ScaleZeroPoint> known_;
};

}  // namespace tinyml::quantization
