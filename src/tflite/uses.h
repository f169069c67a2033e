// Who makes and who reads each tensor of a subgraph.
#pragma once

#include <vector>

#include "tinyml/tflite.h"

namespace tinyml::tflite {

struct Use {
  int op;     ///< Index of the operator; kGraphOutput for the subgraph's outputs.
  int input;  ///< Which of its inputs, or which output of the subgraph.
};
constexpr int kGraphOutput = -1;
constexpr int kNoProducer = -1;

struct Uses {
  std::vector<int> producer;  ///< By tensor id: index of the operator, or kNoProducer (inputs, constants).
  std::vector<std::vector<Use>> consumers;  ///< By tensor id, in order of execution.
};

Uses find_uses(const Subgraph& subgraph);

}  // namespace tinyml::tflite
