#include "lower/signature.h"

#include <fmt/format.h>

#include <algorithm>

namespace tinyml::lowering {

void add_signature(const LowerOptions& options, std::vector<std::string> names, tflite::Model& model) {
  const tflite::Subgraph& main = model.subgraphs[0];
  tflite::Signature signature;
  for (const int id : main.inputs) signature.inputs.emplace_back(main.tensors[static_cast<size_t>(id)].name, id);
  const size_t count = main.outputs.size();
  const std::vector<std::string>& given = options.output_names;
  if (!given.empty() && given.size() > count) {
    throw Error(fmt::format("{} output names for a model with {} outputs", given.size(), count));
  }
  TINYML_CHECK(names.size() == count);
  std::copy(given.begin(), given.end(), names.begin());
  for (size_t i = 0; i < count; ++i) signature.outputs.emplace_back(names[i], main.outputs[i]);
  model.signatures.push_back(std::move(signature));
}

}  // namespace tinyml::lowering
