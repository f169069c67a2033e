#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tinyml/suggest.h"

namespace tinyml::prune {

/// "did you mean 'x'?", or `otherwise` when no candidate is near.
inline std::string suggest_remedy(std::string_view name, const std::vector<std::string>& candidates,
                                  std::string otherwise) {
  const std::string nearest = nearest_name(name, candidates);
  return nearest.empty() ? std::move(otherwise) : "did you mean '" + nearest + "'?";
}

}  // namespace tinyml::prune
