// The JSON layer inside an archive that is a valid zip: the input is the text of the program and, behind a zero byte,
// that of the weights' configuration. Checksums and the directory are made to fit, so that mutations reach the readers
// of the graph.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "memory_zip.h"
#include "tinyml/archive.h"
#include "use_graph.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t split = std::min(input.find('\0'), input.size());
  const std::string_view weights = split < input.size() ? input.substr(split + 1) : "{\"config\":{}}";
  tinyml::fuzz::MemoryZip zip;
  zip.add("m/models/model.json", input.substr(0, split));
  zip.add("m/data/weights/model_weights_config.json", weights);
  zip.add("m/data/constants/model_constants_config.json", weights);
  for (const char* name : {"weights/weight_0", "weights/weight_1", "constants/tensor_0", "constants/tensor_1"}) {
    zip.add(std::string("m/data/") + name, std::string(64, '\1'));
  }
  const std::string archive = zip.finish();
  const auto* bytes = reinterpret_cast<const std::byte*>(archive.data());
  try {
    tinyml::fuzz::use_graph(tinyml::read_pt2(tinyml::Storage::view(nullptr, bytes, archive.size())));
  } catch (const tinyml::Error& error) {
    tinyml::fuzz::check_error(error);
  }
  return 0;
}
