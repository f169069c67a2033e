#include "lower/signature.h"

#include <fmt/format.h>

namespace tinyml::lowering {

void add_signature(const LowerOptions& options, tflite::Model& model) {
  const tflite::Subgraph& main = model.subgraphs[0];
  tflite::Signature signature;
  for (const int id : main.inputs) signature.inputs.emplace_back(main.tensors[static_cast<size_t>(id)].name, id);
  const size_t count = main.outputs.size();
  std::vector<std::string> names = options.output_names;
  if (!names.empty() && names.size() != count) {
    throw Error(fmt::format("{} output names for a model with {} outputs", names.size(), count));
  }
  for (size_t i = names.size(); i < count; ++i) names.push_back(count == 1 ? "output" : fmt::format("output_{}", i));
  for (size_t i = 0; i < count; ++i) signature.outputs.emplace_back(names[i], main.outputs[i]);
  model.signatures.push_back(std::move(signature));
}

}  // namespace tinyml::lowering
