#include <nlohmann/json.hpp>

#include "tinyml/atomic_file.h"
#include "tinyml/codegen.h"

namespace tinyml {
namespace {

constexpr size_t kAlignment = 64;

const char* type_name(ScalarType type, const std::string& tensor) {
  switch (type) {
    case ScalarType::kFloat64:
      return "F64";
    case ScalarType::kFloat32:
      return "F32";
    case ScalarType::kFloat16:
      return "F16";
    case ScalarType::kBFloat16:
      return "BF16";
    case ScalarType::kInt64:
      return "I64";
    case ScalarType::kInt32:
      return "I32";
    case ScalarType::kInt16:
      return "I16";
    case ScalarType::kInt8:
      return "I8";
    case ScalarType::kUInt8:
      return "U8";
    case ScalarType::kBool:
      return "BOOL";
    default:
      throw Error("Tensor '" + tensor + "' of type " + std::string(name_of(type)) +
                  " has no form in a safetensors file.");
  }
}

}  // namespace

void write_safetensors(const NamedTensors& tensors, const std::string& path) {
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  size_t offset = 0;
  for (const auto& [name, tensor] : tensors) {
    header[name] = {{"dtype", type_name(tensor.type(), name)},
                    {"shape", tensor.shape()},
                    {"data_offsets", {offset, offset + tensor.nbytes()}}};
    offset += tensor.nbytes();
  }
  std::string text = header.dump();
  text.append((kAlignment - (8 + text.size()) % kAlignment) % kAlignment, ' ');
  AtomicFile file(path);
  std::string length(8, '\0');
  for (size_t i = 0; i < 8; ++i) length[i] = static_cast<char>((uint64_t{text.size()} >> (8 * i)) & 0xff);
  file.write(length);
  file.write(text);
  for (const auto& [name, tensor] : tensors) {
    const Tensor data = tensor.contiguous();
    file.write(data.bytes(), data.nbytes());
  }
  file.commit();
}

}  // namespace tinyml
