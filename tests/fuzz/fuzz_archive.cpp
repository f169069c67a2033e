// The reader of .pt2 archives on any bytes: it accepts them or throws tinyml::Error.

#include <cstddef>
#include <cstdint>

#include "tinyml/archive.h"
#include "use_graph.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const auto* bytes = reinterpret_cast<const std::byte*>(data);
    tinyml::fuzz::use_graph(tinyml::read_pt2(tinyml::Storage::view(nullptr, bytes, size)));
  } catch (const tinyml::Error& error) {
    tinyml::fuzz::check_error(error);
  }
  return 0;
}
