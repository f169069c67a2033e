#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace tinyml {

/// CRC-32 of zip files (polynomial 0xEDB88320), eight bytes a step.
uint32_t crc32(std::span<const std::byte> data);

}  // namespace tinyml
