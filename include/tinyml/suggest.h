#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tinyml {

/// The candidate that `name` most likely was meant to be (least edit distance, at most half of its length), or "".
std::string nearest_name(std::string_view name, const std::vector<std::string>& candidates);

/// "is 'x' meant?" of that candidate, or `otherwise`: the remedy for an unknown name.
std::string suggestion(std::string_view name, const std::vector<std::string>& candidates, std::string otherwise = "");

/// Whether `text` matches a pattern of literal characters, '*' (any characters) and '?' (one).
bool matches_glob(std::string_view pattern, std::string_view text);

}  // namespace tinyml
