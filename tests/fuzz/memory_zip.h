#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "archive/crc32.h"
#include "archive/zip_format.h"

namespace tinyml::fuzz {

/// A zip file of stored entries in memory.
class MemoryZip {
 public:
  void add(std::string_view name, std::string_view content) {
    const auto crc = crc32(std::as_bytes(std::span(content.data(), content.size())));
    const auto size = static_cast<uint32_t>(content.size());
    const auto offset = static_cast<uint32_t>(bytes_.size());
    put(bytes_, zip::kLocalHeader, uint16_t{10}, uint16_t{0}, uint16_t{0}, uint32_t{0}, crc, size, size,
        static_cast<uint16_t>(name.size()), uint16_t{0});
    bytes_.append(name).append(content);
    put(directory_, zip::kCentralHeader, uint16_t{10}, uint16_t{10}, uint16_t{0}, uint16_t{0}, uint32_t{0}, crc, size,
        size, static_cast<uint16_t>(name.size()), uint16_t{0}, uint16_t{0}, uint16_t{0}, uint16_t{0}, uint32_t{0},
        offset);
    directory_.append(name);
    ++count_;
  }

  std::string finish() {
    const auto start = static_cast<uint32_t>(bytes_.size());
    bytes_ += directory_;
    put(bytes_, zip::kEnd, uint16_t{0}, uint16_t{0}, count_, count_, static_cast<uint32_t>(directory_.size()), start,
        uint16_t{0});
    return bytes_;
  }

 private:
  template <typename... Values>
  static void put(std::string& out, Values... values) {
    (out.append(reinterpret_cast<const char*>(&values), sizeof(Values)), ...);
  }

  std::string bytes_;
  std::string directory_;
  uint16_t count_ = 0;
};

}  // namespace tinyml::fuzz
