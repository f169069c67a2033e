#include "boundary_options.h"

#include <fmt/format.h>

#include <charconv>

namespace tinyml::cli {
namespace {

std::vector<double> numbers(const std::string& text, const std::string& whole) {
  std::vector<double> result;
  const char* at = text.data();
  const char* const end = at + text.size();
  while (true) {
    double value = 0;
    const auto [next, error] = std::from_chars(at, end, value);
    if (error != std::errc()) {
      throw Error(fmt::format("'{}' does not name an input with its mean and std", whole),
                  "write image=127.5,127.5 or image=123.7:116.3:103.5,58.4:57.1:57.4");
    }
    result.push_back(value);
    if (next == end) return result;
    if (*next != ':') return numbers("", whole);
    at = next + 1;
  }
}

}  // namespace

void read_boundary_types(const std::vector<std::string>& texts, ConvertOptions& options) {
  for (const std::string& text : texts) {
    const size_t equals = text.find('=');
    if (equals == std::string::npos) {
      options.boundary = parse_boundary_type(text);
    } else {
      options.boundary_types[text.substr(0, equals)] = parse_boundary_type(text.substr(equals + 1));
    }
  }
}

void read_input_statistics(const std::vector<std::string>& texts, ConvertOptions& options) {
  for (const std::string& text : texts) {
    const size_t equals = text.find('=');
    const size_t comma = text.find(',', equals == std::string::npos ? 0 : equals);
    if (equals == std::string::npos || comma == std::string::npos) numbers("", text);
    InputStatistics statistics;
    statistics.mean = numbers(text.substr(equals + 1, comma - equals - 1), text);
    statistics.std = numbers(text.substr(comma + 1), text);
    options.input_statistics[text.substr(0, equals)] = std::move(statistics);
  }
}

}  // namespace tinyml::cli
