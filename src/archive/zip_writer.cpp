#include "archive/zip_writer.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "archive/crc32.h"
#include "archive/zip_format.h"
#include "tinyml/error.h"

namespace tinyml {
namespace {

constexpr uint64_t kAlignment = 64;
constexpr uint16_t kVersion64 = 45;  // The version of the format that introduced zip64.

/// Appends little-endian integers.
class Bytes {
 public:
  template <typename T>
  Bytes& put(T value) {
    const auto start = data_.size();
    data_.resize(start + sizeof(T));
    std::memcpy(data_.data() + start, &value, sizeof(T));
    return *this;
  }
  Bytes& u16(uint64_t value) { return put(static_cast<uint16_t>(value)); }
  Bytes& u32(uint64_t value) { return put(static_cast<uint32_t>(value)); }
  Bytes& u64(uint64_t value) { return put(value); }
  Bytes& text(std::string_view value) {
    data_.append(value);
    return *this;
  }
  const std::string& data() const { return data_; }

 private:
  std::string data_;
};

uint64_t saturate(uint64_t value) { return std::min<uint64_t>(value, zip::kSaturated32); }

}  // namespace

ZipWriter::ZipWriter(const std::filesystem::path& target, ZipWriterOptions options)
    : options_(options), file_(target) {}

void ZipWriter::write(const void* data, size_t size) {
  file_.write(data, size);
  position_ += size;
}

void ZipWriter::add(std::string name, std::string_view text) {
  add(std::move(name), std::as_bytes(std::span(text.data(), text.size())));
}

void ZipWriter::add(std::string name, std::span<const std::byte> data) {
  const Entry entry{std::move(name), position_, data.size(), crc32(data)};
  const bool large = options_.force_zip64 || entry.size >= zip::kSaturated32;
  const uint64_t extra64 = large ? 4 + 16 : 0;
  const uint64_t unpadded = position_ + zip::kLocalHeaderSize + entry.name.size() + extra64 + 4;
  const uint64_t padding = (kAlignment - unpadded % kAlignment) % kAlignment;
  Bytes header;
  header.u32(zip::kLocalHeader).u16(large ? kVersion64 : 10).u16(zip::kFlagUtf8).u16(0).u32(0).u32(entry.crc);
  header.u32(large ? zip::kSaturated32 : entry.size).u32(large ? zip::kSaturated32 : entry.size);
  header.u16(entry.name.size()).u16(extra64 + 4 + padding).text(entry.name);
  if (large) header.u16(zip::kExtra64).u16(16).u64(entry.size).u64(entry.size);
  header.u16(zip::kExtraPadding).u16(padding).text(std::string(padding, 'Z'));
  write(header.data().data(), header.data().size());
  write(data.data(), data.size());
  entries_.push_back(entry);
}

void ZipWriter::finish() {
  const uint64_t start = position_;
  for (const Entry& entry : entries_) {
    const bool large_size = options_.force_zip64 || entry.size >= zip::kSaturated32;
    const bool large_offset = options_.force_zip64 || entry.header >= zip::kSaturated32;
    Bytes extra;
    if (large_size) extra.u64(entry.size).u64(entry.size);
    if (large_offset) extra.u64(entry.header);
    const uint64_t extra_size = extra.data().empty() ? 0 : 4 + extra.data().size();
    const uint16_t version = extra_size > 0 ? kVersion64 : 10;
    const uint64_t size = large_size ? zip::kSaturated32 : entry.size;
    Bytes header;
    header.u32(zip::kCentralHeader).u16(version).u16(version).u16(zip::kFlagUtf8).u16(0).u32(0).u32(entry.crc);
    header.u32(size).u32(size).u16(entry.name.size()).u16(extra_size).u16(0).u16(0).u16(0).u32(0);
    header.u32(large_offset ? zip::kSaturated32 : entry.header).text(entry.name);
    if (extra_size > 0) header.u16(zip::kExtra64).u16(extra.data().size()).text(extra.data());
    write(header.data().data(), header.data().size());
  }
  const uint64_t size = position_ - start;
  const uint64_t count = entries_.size();
  Bytes end;
  if (options_.force_zip64 || count >= zip::kSaturated16 || start >= zip::kSaturated32 || size >= zip::kSaturated32) {
    const uint64_t end64 = position_;
    end.u32(zip::kEnd64).u64(zip::kEnd64Size - 12).u16(kVersion64).u16(kVersion64).u32(0).u32(0);
    end.u64(count).u64(count).u64(size).u64(start);
    end.u32(zip::kEnd64Locator).u32(0).u64(end64).u32(1);
  }
  const uint64_t shown = options_.force_zip64 ? zip::kSaturated16 : std::min<uint64_t>(count, zip::kSaturated16);
  end.u32(zip::kEnd).u16(0).u16(0).u16(shown).u16(shown);
  end.u32(options_.force_zip64 ? zip::kSaturated32 : saturate(size));
  end.u32(options_.force_zip64 ? zip::kSaturated32 : saturate(start)).u16(0);
  write(end.data().data(), end.data().size());
  file_.commit();
}

}  // namespace tinyml
