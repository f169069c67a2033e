#include "tflite/uses.h"

#include "tinyml/error.h"

namespace tinyml::tflite {

Uses find_uses(const Subgraph& subgraph) {
  Uses uses;
  uses.producer.assign(subgraph.tensors.size(), kNoProducer);
  uses.consumers.resize(subgraph.tensors.size());
  for (size_t o = 0; o < subgraph.operators.size(); ++o) {
    const Operator& op = subgraph.operators[o];
    for (size_t i = 0; i < op.inputs.size(); ++i) {
      if (op.inputs[i] == kNoTensor) continue;
      TINYML_CHECK(op.inputs[i] >= 0 && static_cast<size_t>(op.inputs[i]) < subgraph.tensors.size());
      uses.consumers[static_cast<size_t>(op.inputs[i])].push_back({static_cast<int>(o), static_cast<int>(i)});
    }
    for (int output : op.outputs) {
      TINYML_CHECK(output >= 0 && static_cast<size_t>(output) < subgraph.tensors.size());
      uses.producer[static_cast<size_t>(output)] = static_cast<int>(o);
    }
  }
  for (size_t i = 0; i < subgraph.outputs.size(); ++i) {
    uses.consumers[static_cast<size_t>(subgraph.outputs[i])].push_back({kGraphOutput, static_cast<int>(i)});
  }
  return uses;
}

}  // namespace tinyml::tflite
