#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tinyml/tensor.h"

namespace tinyml {

/// Where the entries of a zip file lie: all in one folder, as in a PT2 archive, or in none, as in an .npz file.
enum class ZipLayout : uint8_t { kOneFolder, kFlat };

/// Entries of a zip file in memory. In a folder only stored entries can be read, what torch writes; flat files may be
/// compressed (DEFLATE). The constructor checks everything a reader relies on (bounds, agreement of local and central
/// headers, overlaps, names) and throws Error naming the entry.
class ZipReader {
 public:
  explicit ZipReader(Storage file, ZipLayout layout = ZipLayout::kOneFolder);

  /// Name of the single folder that holds every entry, with a slash behind.
  const std::string& root() const { return root_; }
  /// Names below the root, sorted.
  std::vector<std::string> names() const;
  bool has(std::string_view name) const { return entries_.find(name) != entries_.end(); }
  /// Bytes of an entry (name below the root), a view of the file unless it is compressed. Throws Error if there is none
  /// and for damaged compressed data.
  Storage bytes(std::string_view name) const;
  /// As bytes(), with the checksum verified.
  std::string_view text(std::string_view name) const;

 private:
  struct Entry {
    uint64_t header = 0;  ///< Offset of the local header.
    uint64_t data = 0;
    uint64_t size = 0;     ///< In the file.
    uint64_t content = 0;  ///< Decompressed.
    uint32_t crc = 0;
    uint16_t method = 0;  ///< 0: stored, 8: DEFLATE.
  };
  /// Reads the directory's entry at that position; returns where the next one starts.
  uint64_t read_entry(uint64_t position, uint64_t directory, uint64_t directory_size);
  void check_overlaps() const;
  const Entry& entry(std::string_view name) const;

  Storage file_;
  ZipLayout layout_ = ZipLayout::kOneFolder;
  std::string root_;
  std::map<std::string, Entry, std::less<>> entries_;
};

}  // namespace tinyml
