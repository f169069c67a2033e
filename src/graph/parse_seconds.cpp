#include "graph/parse_seconds.h"

#include <charconv>
#include <cmath>

namespace tinyml {

std::optional<double> parse_seconds(const std::string& text) {
  double number = 0.0;
  const char* const end = text.data() + text.size();
  auto [unit, status] = std::from_chars(text.data(), end, number);
  if (status != std::errc() || !std::isfinite(number) || number <= 0.0) return std::nullopt;
  while (unit != end && *unit == ' ') ++unit;
  const std::string name(unit, end);
  if (name == "s") return number;
  if (name == "ms") return 1e-3 * number;
  if (name == "us") return 1e-6 * number;
  return std::nullopt;
}

}  // namespace tinyml
