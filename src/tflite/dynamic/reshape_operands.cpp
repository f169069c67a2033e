#include "tflite/dynamic/reshape_operands.h"

#include <fmt/format.h>

#include <algorithm>

#include "tflite/dynamic/size_source.h"
#include "tinyml/error.h"

namespace tinyml::tflite {

void make_reshape_operands(Model& model) {
  for (Subgraph& subgraph : model.subgraphs) {
    SizeSource source(subgraph);
    const auto add = [&](int id) {
      const Tensor& tensor = subgraph.tensors[static_cast<size_t>(id)];
      if (tensor.shape_signature.empty()) return;
      std::vector<Samples> dims;
      for (size_t i = 0; i < tensor.shape.size(); ++i) {
        // A second, made-up sample tells dynamic sizes from constant ones.
        const int64_t size = tensor.shape[i];
        dims.push_back({size, tensor.shape_signature[i] < 0 ? size + 1 : size});
      }
      source.add(id, dims);
    };
    for (const int id : subgraph.inputs) add(id);
    std::vector<Operator> operators = std::move(subgraph.operators);
    subgraph.operators.clear();
    for (Operator& op : operators) {
      if (op.op == Op::RESHAPE && op.inputs.size() == 1) {
        const Tensor out = subgraph.tensors[static_cast<size_t>(op.outputs[0])];
        if (std::count(out.shape_signature.begin(), out.shape_signature.end(), -1) > 1) {
          // One of them may be left to the runtime: the one hardest to compute, so try each.
          int shape = kNoTensor;
          for (size_t free = 0; free < out.shape.size() && shape == kNoTensor; ++free) {
            if (out.shape_signature[free] >= 0) continue;
            std::vector<Samples> elements;
            for (size_t i = 0; i < out.shape.size(); ++i) {
              const int64_t size = out.shape[i];
              if (i == free) {
                elements.push_back({-1, -1});
              } else {
                elements.push_back({size, out.shape_signature[i] < 0 ? size + 1 : size});
              }
            }
            shape = source.vector_of(elements);
          }
          if (shape == kNoTensor) {
            throw Error(fmt::format("the sizes of '{}' do not follow from those of tensors computed before", out.name),
                        "keep all but one of its dimensions constant");
          }
          op.inputs.push_back(shape);
        }
      }
      const std::vector<int> outputs = op.outputs;
      subgraph.operators.push_back(std::move(op));
      for (const int id : outputs) add(id);
    }
  }
}

}  // namespace tinyml::tflite
