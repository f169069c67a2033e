#include "graph/mapped_file.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <string>

#if __has_include(<sys/mman.h>)
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#else
#include <cstdio>
#endif

namespace tinyml {
namespace {

[[noreturn]] void fail(const std::filesystem::path& path, const std::string& reason) {
  throw Error(fmt::format("cannot read {}: {}", path.string(), reason));
}

}  // namespace

#if __has_include(<sys/mman.h>)

Storage map_file(const std::filesystem::path& path) {
  struct Descriptor {
    int value;
    ~Descriptor() {
      if (value >= 0) ::close(value);
    }
  };
  const Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (file.value < 0) fail(path, std::strerror(errno));
  struct stat status {};
  if (::fstat(file.value, &status) != 0) fail(path, std::strerror(errno));
  if (!S_ISREG(status.st_mode)) fail(path, "it is not a regular file");
  const auto size = static_cast<size_t>(status.st_size);
  if (size == 0) return {};
  void* address = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.value, 0);
  if (address == MAP_FAILED) fail(path, std::strerror(errno));
  std::shared_ptr<const void> owner(address, [size](const void* start) { ::munmap(const_cast<void*>(start), size); });
  return Storage::view(std::move(owner), static_cast<const std::byte*>(address), size);
}

#else

Storage map_file(const std::filesystem::path& path) {
  std::error_code error;
  const auto size = static_cast<size_t>(std::filesystem::file_size(path, error));
  if (error) fail(path, error.message());
  Storage storage = Storage::allocate(size);
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.string().c_str(), "rb"), &std::fclose);
  if (!file) fail(path, std::strerror(errno));
  // The storage is fresh and has no other handle.
  if (std::fread(const_cast<std::byte*>(storage.data()), 1, size, file.get()) != size) fail(path, "it ended early");
  return storage;
}

#endif

}  // namespace tinyml
