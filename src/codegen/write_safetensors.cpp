#include <cstdio>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

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
  const std::string temporary = path + ".part";
  {
    std::ofstream file(temporary, std::ios::binary);
    const uint64_t length = text.size();
    for (int i = 0; i < 8; ++i) file.put(static_cast<char>((length >> (8 * i)) & 0xff));
    file << text;
    for (const auto& [name, tensor] : tensors) {
      const Tensor data = tensor.contiguous();
      if (data.nbytes() > 0) {
        file.write(reinterpret_cast<const char*>(data.bytes()), static_cast<std::streamsize>(data.nbytes()));
      }
    }
    file.close();
    if (!file) {
      std::remove(temporary.c_str());
      throw Error("Cannot write '" + path + "'.", "Check the directory and the free space.");
    }
  }
  std::error_code failure;
  std::filesystem::rename(temporary, path, failure);
  if (failure) {
    std::remove(temporary.c_str());
    throw Error("Cannot write '" + path + "': " + failure.message() + ".");
  }
}

}  // namespace tinyml
