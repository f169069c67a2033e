#include "tflite/signature_binding.h"

#include <algorithm>

namespace tinyml::tflite {

SignatureBinding::SignatureBinding(const Model& model) {
  for (const Signature& signature : model.signatures) {
    const bool valid = signature.subgraph >= 0 && static_cast<size_t>(signature.subgraph) < model.subgraphs.size();
    const auto positions = [&](const auto& entries, const std::vector<int>& ids) {
      std::vector<int> result;
      for (size_t i = 0; i < entries.size(); ++i) {
        // The same tensor may stand at several positions; entries usually come in the subgraph's order.
        if (i < ids.size() && ids[i] == entries[i].second) {
          result.push_back(static_cast<int>(i));
          continue;
        }
        const auto at = std::find(ids.begin(), ids.end(), entries[i].second);
        result.push_back(at == ids.end() ? -1 : static_cast<int>(at - ids.begin()));
      }
      return result;
    };
    const Subgraph empty;
    const Subgraph& subgraph = valid ? model.subgraphs[static_cast<size_t>(signature.subgraph)] : empty;
    inputs_.push_back(positions(signature.inputs, subgraph.inputs));
    outputs_.push_back(positions(signature.outputs, subgraph.outputs));
  }
}

void SignatureBinding::restore(Model& model) const {
  for (size_t s = 0; s < inputs_.size(); ++s) {
    Signature& signature = model.signatures[s];
    const auto apply = [](auto& entries, const std::vector<int>& positions, const std::vector<int>& ids) {
      for (size_t i = 0; i < entries.size(); ++i) {
        if (positions[i] >= 0) entries[i].second = ids[static_cast<size_t>(positions[i])];
      }
    };
    if (signature.subgraph < 0 || static_cast<size_t>(signature.subgraph) >= model.subgraphs.size()) continue;
    const Subgraph& subgraph = model.subgraphs[static_cast<size_t>(signature.subgraph)];
    apply(signature.inputs, inputs_[s], subgraph.inputs);
    apply(signature.outputs, outputs_[s], subgraph.outputs);
  }
}

}  // namespace tinyml::tflite
