#include "archive/crc32.h"

#include <array>
#include <bit>
#include <cstring>

namespace tinyml {
namespace {

using Tables = std::array<std::array<uint32_t, 256>, 8>;

// kTables[k][b]: the CRC of byte b followed by k zero bytes.
constexpr Tables make_tables() {
  Tables tables{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0xEDB88320u : 0u);
    tables[0][i] = crc;
  }
  for (size_t k = 1; k < 8; ++k) {
    for (size_t i = 0; i < 256; ++i) {
      const uint32_t previous = tables[k - 1][i];
      tables[k][i] = (previous >> 8) ^ tables[0][previous & 0xFF];
    }
  }
  return tables;
}
constexpr Tables kTables = make_tables();

}  // namespace

uint32_t crc32(std::span<const std::byte> data) {
  static_assert(std::endian::native == std::endian::little);
  uint32_t crc = 0xFFFFFFFFu;
  const std::byte* in = data.data();
  size_t left = data.size();
  for (; left >= 8; left -= 8, in += 8) {
    uint64_t word = 0;
    std::memcpy(&word, in, 8);
    word ^= crc;
    crc = 0;
    for (size_t k = 0; k < 8; ++k) crc ^= kTables[7 - k][(word >> (8 * k)) & 0xFF];
  }
  for (; left > 0; --left, ++in) crc = (crc >> 8) ^ kTables[0][(crc ^ static_cast<uint32_t>(*in)) & 0xFF];
  return ~crc;
}

}  // namespace tinyml
