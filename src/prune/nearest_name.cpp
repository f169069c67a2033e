#include "prune/nearest_name.h"

#include <algorithm>

namespace tinyml::prune {
namespace {

size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t above = row[j];
      row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

}  // namespace

std::string nearest_name(std::string_view name, const std::vector<std::string>& candidates) {
  std::string best;
  size_t distance = name.size() / 2 + 1;
  for (const std::string& candidate : candidates) {
    const size_t own = edit_distance(name, candidate);
    if (own >= distance) continue;
    distance = own;
    best = candidate;
  }
  return best;
}

std::string suggest(std::string_view name, const std::vector<std::string>& candidates, std::string otherwise) {
  const std::string nearest = nearest_name(name, candidates);
  return nearest.empty() ? otherwise : "did you mean '" + nearest + "'?";
}

}  // namespace tinyml::prune
