#pragma once

#include <filesystem>

#include "tinyml/tensor.h"

namespace tinyml {

/// The bytes of a file, memory-mapped read-only where the system can, for as long as any copy of the Storage lives.
/// Throws Error naming the path if it cannot be read or is not a regular file.
Storage map_file(const std::filesystem::path& path);

}  // namespace tinyml
