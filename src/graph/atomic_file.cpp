#include "tinyml/atomic_file.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <random>
#include <sstream>
#include <utility>

#include "tinyml/error.h"

namespace tinyml {

AtomicFile::AtomicFile(std::filesystem::path target) : target_(std::move(target)), file_(nullptr, &std::fclose) {
  std::random_device random;
  for (int attempt = 0; attempt < 16 && !file_; ++attempt) {
    temporary_ = target_;
    temporary_ += fmt::format(".{:08x}.tmp", random());
    file_.reset(std::fopen(temporary_.string().c_str(), "wbx"));
    if (!file_ && errno != EEXIST) break;
  }
  if (file_) return;
  temporary_.clear();
  fail("create a file beside");
}

AtomicFile::~AtomicFile() {
  if (!file_) return;
  file_.reset();
  std::error_code ignored;
  std::filesystem::remove(temporary_, ignored);
}

void AtomicFile::fail(const char* action) const {
  throw Error(fmt::format("cannot {} '{}': {}", action, target_.string(), std::strerror(errno)),
              "check that the directory exists, may be written to and has room");
}

void AtomicFile::write(const void* data, size_t size) {
  if (size > 0 && std::fwrite(data, 1, size, file_.get()) != size) fail("write");
}

void AtomicFile::commit() {
  // The handle stays until the rename is done, so that the destructor still removes what a failure leaves.
  if (std::fflush(file_.get()) != 0) fail("write");
  std::error_code error;
  std::filesystem::rename(temporary_, target_, error);
  if (error) {
    errno = error.value();
    fail("replace");
  }
  file_.reset();
}

std::string read_file(const std::filesystem::path& path, std::string_view what) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  if (file.peek() != std::ifstream::traits_type::eof()) text << file.rdbuf();
  if (!file.is_open() || file.bad() || text.bad()) {
    throw Error(fmt::format("cannot read the {} '{}'", what, path.string()));
  }
  return text.str();
}

void write_file(const std::filesystem::path& path, std::string_view contents) {
  AtomicFile file(path);
  file.write(contents);
  file.commit();
}

}  // namespace tinyml
