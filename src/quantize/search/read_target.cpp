#include <fmt/format.h>

#include <charconv>
#include <cmath>

#include "graph/parse_seconds.h"
#include "tinyml/precision_search.h"
#include "tinyml/suggest.h"

namespace tinyml {
namespace {

std::optional<double> number_of(const std::string& text) {
  double value = 0.0;
  const char* const end = text.data() + text.size();
  const auto [rest, status] = std::from_chars(text.data(), end, value);
  if (status != std::errc() || rest != end || !std::isfinite(value)) return std::nullopt;
  return value;
}

}  // namespace

std::string read_search_target(const std::string& text, PrecisionSearchOptions& options) {
  const size_t equals = text.find('=');
  const std::string name = text.substr(0, equals);
  const std::string value = equals == std::string::npos ? "" : text.substr(equals + 1);
  const std::optional<double> number = number_of(value);
  if (name == "snr" || name == "quality") {
    options.min_quality = number;
    if (number) return name;
    throw Error(fmt::format("'{}' is no target of a search", text), fmt::format("write {}=NUMBER", name));
  }
  if (name == "latency" || name == "bit_operations") {
    if (number && *number > 0.0 && *number <= 1.0) {
      options.max_cost_share = number;
      return name;
    }
    if (name == "latency") options.max_cost = parse_seconds(value);
    if (options.max_cost) return name;
    throw Error(fmt::format("'{}' is no target of a search", text),
                name == "latency" ? "write a share of the float model's in (0, 1], or a time such as 3.5ms"
                                  : "write a share of the float model's in (0, 1]");
  }
  throw Error(fmt::format("'{}' is no target of a search", text),
              suggestion(name, {"snr", "quality", "latency", "bit_operations"},
                         "snr=DB, quality=NUMBER, latency=SHARE, latency=TIME or bit_operations=SHARE"));
}

}  // namespace tinyml
