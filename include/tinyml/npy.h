#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "tinyml/tensor.h"

namespace tinyml {

/// Reads an array that `numpy.save` wrote (format 1 to 3, C order, little-endian numbers or bool). The file is
/// memory-mapped; the tensor is a view of it. Throws Error naming the path for anything else.
Tensor read_npy(const std::filesystem::path& path);

/// Reads the arrays that `numpy.savez` or `numpy.savez_compressed` wrote, by name; uncompressed ones are views of the
/// memory-mapped file. Throws Error naming the path and the array.
std::map<std::string, Tensor> read_npz(const std::filesystem::path& path);

}  // namespace tinyml
