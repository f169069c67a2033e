#include "archive/inflate.h"

#include <zlib.h>

#include <algorithm>
#include <limits>
#include <memory>
#include <vector>

namespace tinyml {
namespace {

/// DEFLATE makes no more than this of a byte: a bound on what a damaged size can have us allocate.
constexpr uint64_t kMostExpansion = 1032;

class Stream {
 public:
  Stream() : valid_(inflateInit2(&stream_, -MAX_WBITS) == Z_OK) {}  // negative: no header of zlib's own
  ~Stream() {
    if (valid_) inflateEnd(&stream_);
  }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  bool valid() const { return valid_; }
  z_stream* get() { return &stream_; }

 private:
  z_stream stream_ = {};
  bool valid_;
};

}  // namespace

std::optional<Storage> inflate_bytes(std::span<const std::byte> data, uint64_t size) {
  if (size / kMostExpansion > data.size()) return std::nullopt;
  Stream stream;
  if (!stream.valid()) return std::nullopt;
  const auto bytes = std::make_shared<std::vector<std::byte>>(size);
  z_stream* z = stream.get();
  constexpr uint64_t kPart = std::numeric_limits<uInt>::max();
  uint64_t read = 0, written = 0;
  int status = Z_OK;
  std::byte overflow{};  // where a byte too many would go
  while (status == Z_OK) {
    const uint64_t in = std::min(kPart, data.size() - read), out = std::min(kPart, size - written);
    z->next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(data.data() + read));  // zlib only reads it
    z->avail_in = static_cast<uInt>(in);
    z->next_out = reinterpret_cast<Bytef*>(out > 0 ? bytes->data() + written : &overflow);
    z->avail_out = static_cast<uInt>(std::max<uint64_t>(out, 1));
    status = inflate(z, Z_NO_FLUSH);
    read += in - z->avail_in;
    written += std::max<uint64_t>(out, 1) - z->avail_out;
    if (written > size) return std::nullopt;
    if (status == Z_OK && in == 0) return std::nullopt;  // cut off
  }
  if (status != Z_STREAM_END || written != size) return std::nullopt;
  const std::byte* const begin = bytes->data();
  return Storage::view(bytes, begin, size);
}

}  // namespace tinyml
