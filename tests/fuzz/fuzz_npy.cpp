// The readers of .npy and .npz files on any bytes: they accept them or throw tinyml::Error.

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "tinyml/npy.h"
#include "use_graph.h"

namespace {

// A file in memory, new for every input: what was mapped of the one before stays what it was.
class MemoryFile {
 public:
  MemoryFile(const uint8_t* data, size_t size) : descriptor_(memfd_create("npy", 0)) {
    if (descriptor_ < 0) std::abort();
    for (size_t done = 0; done < size;) {
      const ssize_t count = write(descriptor_, data + done, size - done);
      if (count <= 0) std::abort();
      done += static_cast<size_t>(count);
    }
  }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  ~MemoryFile() { close(descriptor_); }
  std::string path() const { return "/proc/self/fd/" + std::to_string(descriptor_); }

 private:
  int descriptor_;
};

template <typename Read>
void use(Read read) {
  try {
    read();
  } catch (const tinyml::Error& error) {
    tinyml::fuzz::check_error(error);
  }
}

void touch(const tinyml::Tensor& tensor) {
  if (tensor.numel() < 1 << 16) tensor.contiguous();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const MemoryFile file(data, size);
  use([&] { touch(tinyml::read_npy(file.path())); });
  use([&] {
    for (const auto& [name, tensor] : tinyml::read_npz(file.path())) touch(tensor);
  });
  return 0;
}
