#pragma once

#include <optional>
#include <span>

#include "tinyml/tensor.h"

namespace tinyml {

/// Decompresses raw DEFLATE data (RFC 1951), as zip files hold it, into exactly `size` bytes; nothing where the data is
/// damaged or gives another number of them.
std::optional<Storage> inflate_bytes(std::span<const std::byte> data, uint64_t size);

}  // namespace tinyml
