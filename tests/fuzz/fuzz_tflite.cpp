// The reader of .tflite files on any bytes: it accepts them or throws tinyml::Error. What it accepts can be checked,
// described, written back, read again as the same, and optimised, or is refused with an Error.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <span>
#include <vector>

#include "tinyml/tflite.h"
#include "tinyml/tflite_info.h"
#include "tinyml/tflite_passes.h"
#include "tinyml/tflite_verify.h"
#include "use_graph.h"

namespace {

tinyml::tflite::Model read(std::span<const std::byte> bytes) {
  // A copy of exactly this size, so that the sanitizer sees a step beyond the end.
  const auto owner = std::make_shared<const std::vector<std::byte>>(bytes.begin(), bytes.end());
  return tinyml::tflite::read_tflite(*owner, owner);
}

int64_t largest_tensor(const tinyml::tflite::Model& model) {
  int64_t most = 0;
  for (const auto& subgraph : model.subgraphs) {
    for (const auto& tensor : subgraph.tensors) most = std::max(most, tinyml::tflite::element_count(tensor.shape));
  }
  return most;
}

void use_model(std::span<const std::byte> bytes) {
  using namespace tinyml::tflite;
  Model model = read(bytes);
  const std::vector<std::byte> once = serialize_tflite(model);
  if (serialize_tflite(read(once)) != once) std::abort();
  find_violations(std::span<const std::byte>(once));
  count_operators(model);
  // Folding constants of a shape that a mutation made huge costs memory, not correctness.
  if (largest_tensor(model) > 1 << 20) return;
  const bool fits = find_misfits(model).empty();
  if (fits) {
    for (const Subgraph& subgraph : model.subgraphs) {
      count_macs(subgraph);
      plan_arena(subgraph);
    }
  }
  optimize(model);
  if (!find_misfits(model).empty()) std::abort();
  serialize_tflite(model);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    use_model({reinterpret_cast<const std::byte*>(data), size});
  } catch (const tinyml::Error& error) {
    tinyml::fuzz::check_error(error);
  }
  return 0;
}
