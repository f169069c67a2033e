// Small helpers of the commands: tables, counts, output.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tinyml::cli {

// "3504872" as "3,504,872".
std::string with_commas(int64_t count);

// Bytes for people: "512 B", "13.4 kB", "1.2 MB".
std::string bytes_text(uint64_t bytes);

// Rows as aligned columns, two spaces apart; columns listed in `right` are right-aligned.
std::string table(const std::vector<std::vector<std::string>>& rows, const std::vector<size_t>& right = {});

// Prints to stdout, or writes to `path` unless it is empty.
void print_or_write(const std::string& path, std::string_view text);

// Throws CLI::ValidationError (bad usage) unless `path` ends in one of the suffixes.
void require_suffix(const std::string& option, const std::string& path, const std::vector<std::string>& suffixes);

}  // namespace tinyml::cli
