#pragma once

#include <cstdint>
#include <cstdlib>
#include <numeric>
#include <string>
#include <vector>

namespace tinyml::testing {

/// Seeds of random networks: the first `count`, or for a long search those of $TINYML_SEEDS ("1000-5000").
inline std::vector<uint32_t> seeds(uint32_t count) {
  uint32_t first = 0;
  if (const char* range = std::getenv("TINYML_SEEDS"); range != nullptr) {
    const std::string text = range;
    first = static_cast<uint32_t>(std::stoul(text));
    count = static_cast<uint32_t>(std::stoul(text.substr(text.find('-') + 1))) - first;
  }
  std::vector<uint32_t> result(count);
  std::iota(result.begin(), result.end(), first);
  return result;
}

}  // namespace tinyml::testing
