#include "lower/pass_dump.h"

#include <fmt/format.h>

#include <fstream>

#include "tinyml/error.h"

namespace tinyml::lowering {
namespace {

std::string describe(const tflite::Subgraph& subgraph, int id) {
  if (id == tflite::kNoTensor) return "-";
  const tflite::Tensor& tensor = subgraph.tensors[static_cast<size_t>(id)];
  std::string text = fmt::format("%{} {}[{}]", id, to_string(tensor.type), fmt::join(tensor.shape, ","));
  if (tensor.is_constant()) text += " const";
  if (!tensor.quantization.empty()) {
    text += fmt::format(" scale {:.6g} zero {}", tensor.quantization.scale[0], tensor.quantization.zero_point[0]);
    if (tensor.quantization.per_channel()) text += fmt::format(" x{}", tensor.quantization.scale.size());
  }
  return text + " '" + tensor.name + "'";
}

}  // namespace

std::string to_text(const tflite::Model& model) {
  std::string text;
  for (const tflite::Subgraph& subgraph : model.subgraphs) {
    text += fmt::format("subgraph {}\n", subgraph.name);
    for (const int id : subgraph.inputs) text += "  input " + describe(subgraph, id) + "\n";
    for (const tflite::Operator& op : subgraph.operators) {
      text += fmt::format("  {}{}\n", to_string(op.op), op.channels_first ? " (channels first)" : "");
      for (const int id : op.inputs) text += "      < " + describe(subgraph, id) + "\n";
      for (const int id : op.outputs) text += "      > " + describe(subgraph, id) + "\n";
    }
    for (const int id : subgraph.outputs) text += "  output " + describe(subgraph, id) + "\n";
  }
  return text;
}

PassDump::PassDump(std::filesystem::path directory) : directory_(std::move(directory)) {
  if (directory_.empty()) return;
  std::error_code failure;
  std::filesystem::create_directories(directory_, failure);
  if (failure)
    throw tinyml::Error(fmt::format("cannot create the directory {}: {}", directory_.string(), failure.message()));
}

void PassDump::write(const std::string& pass, const tflite::Model& model) const {
  if (directory_.empty()) return;
  const std::filesystem::path path = directory_ / fmt::format("{:02}_{}.txt", count_++, pass);
  std::ofstream file(path);
  file << to_text(model);
  if (!file.flush()) throw tinyml::Error(fmt::format("cannot write {}", path.string()));
}

}  // namespace tinyml::lowering
