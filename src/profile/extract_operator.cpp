#include "profile/extract_operator.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "tinyml/error.h"

namespace tinyml::profiling {

tflite::Model extract_operator(const tflite::Subgraph& subgraph, const tflite::Operator& op) {
  if (std::holds_alternative<tflite::IfOptions>(op.options) ||
      std::holds_alternative<tflite::WhileOptions>(op.options) ||
      std::holds_alternative<tflite::CallOptions>(op.options)) {
    throw Error(fmt::format("{} runs other subgraphs: it cannot be measured alone", tflite::name_of(op)),
                "measure whole models in LiteRT instead of using a table");
  }
  tflite::Model model;
  tflite::Subgraph& alone = model.subgraphs.emplace_back();
  alone.name = "main";
  std::map<int, int> ids;
  const auto take = [&](int id) {
    if (id == tflite::kNoTensor) return id;
    const auto [entry, is_new] = ids.emplace(id, 0);
    if (is_new) entry->second = alone.add_tensor(subgraph.tensors[static_cast<size_t>(id)]);
    return entry->second;
  };
  tflite::Operator copy = op;
  for (int& id : copy.inputs) id = take(id);
  for (int& id : copy.outputs) id = take(id);
  for (int& id : copy.intermediates) id = take(id);
  copy.debug_metadata_index = -1;
  tflite::Signature signature;
  for (const int id : copy.inputs) {
    if (id == tflite::kNoTensor) continue;
    const tflite::Tensor& tensor = alone.tensors[static_cast<size_t>(id)];
    if (tensor.is_constant() || tensor.is_variable ||
        std::find(alone.inputs.begin(), alone.inputs.end(), id) != alone.inputs.end()) {
      continue;
    }
    signature.inputs.emplace_back(fmt::format("input_{}", alone.inputs.size()), id);
    alone.inputs.push_back(id);
  }
  for (const int id : copy.outputs) {
    signature.outputs.emplace_back(fmt::format("output_{}", alone.outputs.size()), id);
    alone.outputs.push_back(id);
  }
  alone.operators.push_back(std::move(copy));
  model.signatures.push_back(std::move(signature));
  return model;
}

}  // namespace tinyml::profiling
