// How inputs and outputs are given on the command line.
#pragma once

#include <string>
#include <vector>

#include "tinyml/convert.h"

namespace tinyml::cli {

/// "uint8": for all inputs and outputs; "image=uint8": for that one. Throws Error for unknown types.
void read_boundary_types(const std::vector<std::string>& texts, ConvertOptions& options);

/// "image=127.5,127.5" (mean, std) or "image=123.7:116.3:103.5,58.4:57.1:57.4" (one for each channel). Throws Error for
/// text of another form.
void read_input_statistics(const std::vector<std::string>& texts, ConvertOptions& options);

}  // namespace tinyml::cli
