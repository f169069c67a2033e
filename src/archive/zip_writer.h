#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tinyml/atomic_file.h"

namespace tinyml {

struct ZipWriterOptions {
  bool force_zip64 = false;  ///< Write zip64 records even where the sizes do not need them.
};

/// Writes a zip file of stored entries, each aligned to 64 bytes so that it can be used memory-mapped. Everything goes
/// to a temporary file beside the target, which replaces the target in finish(); without finish() nothing remains.
/// Throws Error naming the path when the system refuses.
class ZipWriter {
 public:
  explicit ZipWriter(const std::filesystem::path& target, ZipWriterOptions options = {});

  void add(std::string name, std::span<const std::byte> data);
  void add(std::string name, std::string_view text);
  void finish();

 private:
  struct Entry {
    std::string name;
    uint64_t header = 0;
    uint64_t size = 0;
    uint32_t crc = 0;
  };
  void write(const void* data, size_t size);

  ZipWriterOptions options_;
  AtomicFile file_;
  uint64_t position_ = 0;
  std::vector<Entry> entries_;
};

}  // namespace tinyml
