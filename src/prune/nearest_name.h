#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tinyml::prune {

/// The candidate with the smallest edit distance, "" if none is near (more than half of it differs).
std::string nearest_name(std::string_view name, const std::vector<std::string>& candidates);
/// "did you mean 'x'?", or `otherwise` when nothing is near.
std::string suggest(std::string_view name, const std::vector<std::string>& candidates, std::string otherwise);

}  // namespace tinyml::prune
