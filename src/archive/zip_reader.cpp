#include "archive/zip_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "archive/crc32.h"
#include "archive/inflate.h"
#include "archive/zip_format.h"

namespace tinyml {
namespace {

constexpr uint16_t kStored = 0, kDeflated = 8;

constexpr const char* kRemedy =
    "the file is damaged or not a PT2 archive; save it again with torch.export.save(torch.export.export(...), path)";

[[noreturn]] void fail(std::string what) { throw Error(std::move(what), kRemedy); }

/// Little-endian fields of one record, within bounds by construction.
class Record {
 public:
  Record(const Storage& file, uint64_t offset, uint64_t size, std::string_view what) : data_(file.data()) {
    if (offset > file.size() || file.size() - offset < size) fail(fmt::format("the {} lies outside the file", what));
    data_ += offset;
    size_ = size;
  }
  template <typename T>
  T at(uint64_t offset) const {
    TINYML_CHECK(offset + sizeof(T) <= size_);
    T value = 0;
    std::memcpy(&value, data_ + offset, sizeof(T));
    return value;
  }
  std::string_view text(uint64_t offset, uint64_t size) const {
    TINYML_CHECK(offset + size <= size_);
    return {reinterpret_cast<const char*>(data_ + offset), size};
  }

 private:
  const std::byte* data_;
  uint64_t size_ = 0;
};

struct Directory {
  uint64_t offset = 0;
  uint64_t size = 0;
  uint64_t count = 0;
};

Directory find_directory(const Storage& file) {
  if (file.size() < zip::kEndSize) fail("the file is too short to be an archive");
  const uint64_t last = file.size() - zip::kEndSize;
  const uint64_t first = last > 0xFFFF ? last - 0xFFFF : 0;
  uint64_t end = last + 1;
  while (end-- > first) {
    const Record record(file, end, zip::kEndSize, "end of the directory");
    if (record.at<uint32_t>(0) == zip::kEnd && end + zip::kEndSize + record.at<uint16_t>(20) == file.size()) break;
  }
  if (end + 1 == first) fail("the file has no zip directory (truncated, or not an archive)");
  const Record record(file, end, zip::kEndSize, "end of the directory");
  if (record.at<uint16_t>(4) != 0 || record.at<uint16_t>(6) != 0) {
    if (record.at<uint16_t>(4) != zip::kSaturated16) fail("the archive is one part of several");
  }
  Directory directory{record.at<uint32_t>(16), record.at<uint32_t>(12), record.at<uint16_t>(10)};
  uint64_t limit = end;
  if (directory.offset == zip::kSaturated32 || directory.size == zip::kSaturated32 ||
      directory.count == zip::kSaturated16) {
    if (end < zip::kEnd64LocatorSize) fail("the zip64 locator lies outside the file");
    const Record locator(file, end - zip::kEnd64LocatorSize, zip::kEnd64LocatorSize, "zip64 locator");
    if (locator.at<uint32_t>(0) == zip::kEnd64Locator) {
      limit = locator.at<uint64_t>(8);
      const Record end64(file, limit, zip::kEnd64Size, "zip64 directory record");
      if (end64.at<uint32_t>(0) != zip::kEnd64) fail("the zip64 directory record has a wrong signature");
      directory = {end64.at<uint64_t>(48), end64.at<uint64_t>(40), end64.at<uint64_t>(32)};
    }
  }
  if (directory.offset > limit || directory.size > limit - directory.offset)
    fail("the zip directory lies outside the file");
  if (directory.count > directory.size / zip::kCentralHeaderSize)
    fail("the zip directory is shorter than its entry count");
  return directory;
}

/// Replaces saturated fields by those of the zip64 extra field.
void apply_zip64(const Record& header, uint64_t extra, uint64_t extra_size, std::string_view name, uint64_t& size,
                 uint64_t& stored, uint64_t& offset) {
  const uint64_t end = extra + extra_size;
  while (end - extra >= 4) {
    const auto id = header.at<uint16_t>(extra);
    const uint64_t length = header.at<uint16_t>(extra + 2);
    extra += 4;
    if (length > end - extra) fail(fmt::format("entry '{}': an extra field lies outside its header", name));
    if (id == zip::kExtra64) {
      uint64_t position = extra;
      for (uint64_t* field : {&size, &stored, &offset}) {
        if (*field != zip::kSaturated32) continue;
        if (position + 8 > extra + length) fail(fmt::format("entry '{}': its zip64 field is too short", name));
        *field = header.at<uint64_t>(position);
        position += 8;
      }
      return;
    }
    extra += length;
  }
}

void check_name(std::string_view name) {
  bool bad = name.empty() || name.front() == '/' || name.find('\\') != std::string_view::npos ||
             name.find('\0') != std::string_view::npos;
  for (size_t start = 0; !bad && start <= name.size();) {
    const size_t slash = std::min(name.find('/', start), name.size());
    const std::string_view part = name.substr(start, slash - start);
    bad = part == ".." || part == "." || (part.empty() && slash != name.size());
    start = slash + 1;
  }
  if (bad) fail(fmt::format("entry '{}' has a name that is not a plain relative path", name));
}

}  // namespace

ZipReader::ZipReader(Storage file, ZipLayout layout) : file_(std::move(file)), layout_(layout) {
  const Directory directory = find_directory(file_);
  uint64_t position = directory.offset;
  for (uint64_t i = 0; i < directory.count; ++i) position = read_entry(position, directory.offset, directory.size);
  check_overlaps();
}

uint64_t ZipReader::read_entry(uint64_t position, uint64_t directory, uint64_t directory_size) {
  const uint64_t left = directory + directory_size - position;
  if (left < zip::kCentralHeaderSize) fail("the zip directory ends within an entry");
  const Record fixed(file_, position, zip::kCentralHeaderSize, "zip directory");
  if (fixed.at<uint32_t>(0) != zip::kCentralHeader) fail("the zip directory has an entry with a wrong signature");
  const uint64_t name_size = fixed.at<uint16_t>(28);
  const uint64_t extra_size = fixed.at<uint16_t>(30);
  const uint64_t header_size = zip::kCentralHeaderSize + name_size + extra_size + fixed.at<uint16_t>(32);
  if (left < header_size) fail("the zip directory ends within an entry");
  const Record header(file_, position, header_size, "zip directory");

  const std::string name(header.text(zip::kCentralHeaderSize, name_size));
  check_name(name);
  if ((header.at<uint16_t>(8) & zip::kFlagEncrypted) != 0) fail(fmt::format("entry '{}' is encrypted", name));
  Entry entry;
  entry.crc = header.at<uint32_t>(16);
  entry.size = header.at<uint32_t>(20);
  entry.header = header.at<uint32_t>(42);
  entry.method = header.at<uint16_t>(10);
  entry.content = header.at<uint32_t>(24);
  apply_zip64(header, zip::kCentralHeaderSize + name_size, extra_size, name, entry.content, entry.size, entry.header);
  if (entry.method == kStored && entry.content != entry.size)
    fail(fmt::format("entry '{}' has two different sizes", name));
  if (entry.header >= directory) fail(fmt::format("entry '{}' lies outside the file", name));

  const std::string what = fmt::format("header of entry '{}'", name);
  const Record local(file_, entry.header, zip::kLocalHeaderSize, what);
  if (local.at<uint32_t>(0) != zip::kLocalHeader) fail(fmt::format("entry '{}' has no local header", name));
  const uint64_t local_name_size = local.at<uint16_t>(26);
  const uint64_t local_size = zip::kLocalHeaderSize + local_name_size + local.at<uint16_t>(28);
  const Record named(file_, entry.header, local_size, what);
  const bool has_sizes =
      (local.at<uint16_t>(6) & zip::kFlagDataDescriptor) == 0 && local.at<uint32_t>(18) != zip::kSaturated32;
  if (named.text(zip::kLocalHeaderSize, local_name_size) != name || local.at<uint16_t>(8) != header.at<uint16_t>(10) ||
      (has_sizes && (local.at<uint32_t>(18) != entry.size || local.at<uint32_t>(14) != entry.crc))) {
    fail(fmt::format("entry '{}': its local header contradicts the directory", name));
  }
  entry.data = entry.header + local_size;
  if (entry.data > directory || directory - entry.data < entry.size) {
    fail(fmt::format("entry '{}' ({} bytes) lies outside the file", name, entry.size));
  }
  const size_t slash = name.find('/');
  const std::string root = slash == std::string::npos ? "" : name.substr(0, slash + 1);
  if (entries_.empty()) root_ = root;
  if (root.empty() != (layout_ == ZipLayout::kFlat) || root != root_)
    fail(fmt::format("entry '{}' lies outside the archive's folder '{}'", name, root_));
  if (!entries_.emplace(name.substr(root.size()), entry).second) fail(fmt::format("entry '{}' occurs twice", name));
  return position + header_size;
}

void ZipReader::check_overlaps() const {
  std::vector<std::pair<const Entry*, const std::string*>> order;
  for (const auto& [name, entry] : entries_) order.emplace_back(&entry, &name);
  std::sort(order.begin(), order.end(), [](const auto& a, const auto& b) { return a.first->header < b.first->header; });
  for (size_t i = 1; i < order.size(); ++i) {
    const Entry& previous = *order[i - 1].first;
    if (order[i].first->header < previous.data + previous.size) {
      fail(fmt::format("entries '{}' and '{}' overlap", *order[i - 1].second, *order[i].second));
    }
  }
}

std::vector<std::string> ZipReader::names() const {
  std::vector<std::string> names;
  for (const auto& [name, entry] : entries_) names.push_back(name);
  return names;
}

const ZipReader::Entry& ZipReader::entry(std::string_view name) const {
  const auto found = entries_.find(name);
  if (found == entries_.end()) fail(fmt::format("the archive has no entry '{}{}'", root_, name));
  const uint16_t method = found->second.method;
  if (method != kStored && (layout_ != ZipLayout::kFlat || method != kDeflated)) {
    fail(layout_ == ZipLayout::kFlat
             ? fmt::format("entry '{}' is compressed by method {}; only DEFLATE is read", name, method)
             : fmt::format("entry '{}{}' is compressed; only stored entries are read", root_, name));
  }
  return found->second;
}

Storage ZipReader::bytes(std::string_view name) const {
  const Entry& found = entry(name);
  if (found.method == kStored) return Storage::view(file_.owner(), file_.data() + found.data, found.size);
  std::optional<Storage> content = inflate_bytes({file_.data() + found.data, found.size}, found.content);
  if (!content || crc32({content->data(), content->size()}) != found.crc) {
    fail(fmt::format("entry '{}{}' is damaged", root_, name));
  }
  return std::move(*content);
}

std::string_view ZipReader::text(std::string_view name) const {
  const Entry& found = entry(name);
  const std::byte* data = file_.data() + found.data;
  if (crc32({data, found.size}) != found.crc)
    fail(fmt::format("entry '{}{}' is damaged (wrong checksum)", root_, name));
  return {reinterpret_cast<const char*>(data), found.size};
}

}  // namespace tinyml
