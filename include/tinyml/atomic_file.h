// Files read and written whole; what is written is whole or not there.
#pragma once

#include <cstddef>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

namespace tinyml {

/// Writes to a temporary file of a unique name beside the target, which replaces the target in commit(); without
/// commit() nothing remains and an existing target is as it was. (The data is not forced to disk: a power failure may
/// lose it.) Every function throws Error naming the target when the system refuses.
class AtomicFile {
 public:
  explicit AtomicFile(std::filesystem::path target);
  ~AtomicFile();
  AtomicFile(AtomicFile&& other) noexcept = default;
  AtomicFile& operator=(AtomicFile&&) = delete;

  void write(const void* data, size_t size);
  void write(std::string_view text) { write(text.data(), text.size()); }
  void commit();

 private:
  [[noreturn]] void fail(const char* action) const;

  std::filesystem::path target_, temporary_;
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file_;
};

/// The whole of a file. Throws Error "cannot read the `what` 'path'".
std::string read_file(const std::filesystem::path& path, std::string_view what);

/// The whole of a file at once.
void write_file(const std::filesystem::path& path, std::string_view contents);

}  // namespace tinyml
