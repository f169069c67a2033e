#pragma once

#include <optional>
#include <string>

namespace tinyml {

/// "3.5 ms", "200us", "0.1 s" in seconds; nothing for what has no unit or is no time above zero.
std::optional<double> parse_seconds(const std::string& text);

}  // namespace tinyml
