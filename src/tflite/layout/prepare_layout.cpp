#include "tflite/layout/prepare_layout.h"

#include "tflite/constant_values.h"
#include "tflite/layout/operator_layout.h"
#include "tflite/made_like.h"
#include "tflite/operator_traits.h"
#include "tflite/uses.h"
#include "tinyml/error.h"

namespace tinyml::tflite {
namespace {

Tensor& tensor_at(Subgraph& subgraph, int id) { return subgraph.tensors[static_cast<size_t>(id)]; }

void unify_reshapes(Subgraph& subgraph) {
  for (Operator& op : subgraph.operators) {
    if (op.op != Op::SQUEEZE && op.op != Op::EXPAND_DIMS && op.op != Op::RESHAPE) continue;
    // A shape that is computed when the model runs stays an operand.
    if (op.op == Op::RESHAPE && op.inputs.size() > 1 && !constant_integers(subgraph, op, 1)) continue;
    if (touches_opaque(subgraph, op) || !is_reshape_by_output(subgraph, op)) continue;
    op.op = Op::RESHAPE;
    op.version = 0;
    op.options = ReshapeOptions{};
    op.inputs.resize(1);
  }
}

bool broadcasts(Op op) {
  switch (op) {
    case Op::ADD:
    case Op::SUB:
    case Op::MUL:
    case Op::DIV:
    case Op::MAXIMUM:
    case Op::MINIMUM:
    case Op::POW:
    case Op::SQUARED_DIFFERENCE:
    case Op::FLOOR_DIV:
    case Op::FLOOR_MOD:
    case Op::LESS:
    case Op::LESS_EQUAL:
    case Op::GREATER:
    case Op::GREATER_EQUAL:
    case Op::EQUAL:
    case Op::NOT_EQUAL:
    case Op::LOGICAL_AND:
    case Op::LOGICAL_OR:
    case Op::SELECT_V2:
    case Op::PRELU:
    case Op::ATAN2:
    case Op::BITWISE_XOR:
    case Op::RIGHT_SHIFT:
      return true;
    default:
      return false;
  }
}

void raise_ranks(Subgraph& subgraph) {
  std::vector<Operator> result;
  result.reserve(subgraph.operators.size());
  for (Operator& op : subgraph.operators) {
    const int rank = op.outputs.empty() ? 0 : tensor_at(subgraph, op.outputs[0]).rank();
    for (int& id : op.inputs) {
      if (!broadcasts(op.op) || rank < 2 || id == kNoTensor) continue;
      const Tensor& given = tensor_at(subgraph, id);
      if (given.is_constant() || given.rank() >= rank) continue;
      Tensor raised = made_like(given);
      raised.name += "_rank" + std::to_string(rank);
      const auto missing = static_cast<size_t>(rank - given.rank());
      raised.shape.insert(raised.shape.begin(), missing, 1);
      if (!raised.shape_signature.empty()) raised.shape_signature.insert(raised.shape_signature.begin(), missing, 1);
      raised.quantization.quantized_dimension += static_cast<int32_t>(missing);
      Operator reshape;
      reshape.op = Op::RESHAPE;
      reshape.options = ReshapeOptions{};
      reshape.inputs = {id};
      id = subgraph.add_tensor(std::move(raised));
      reshape.outputs = {id};
      result.push_back(std::move(reshape));
    }
    result.push_back(std::move(op));
  }
  subgraph.operators = std::move(result);
}

void find_depthwise(Subgraph& subgraph) {
  for (Operator& op : subgraph.operators) {
    if (op.op != Op::CONV_2D || !op.channels_first || op.inputs.size() < 2) continue;
    const Tensor& x = tensor_at(subgraph, op.inputs[0]);
    const Tensor& weights = tensor_at(subgraph, op.inputs[1]);
    if (x.rank() != 4 || weights.rank() != 4 || weights.shape[1] != 1 || x.shape[1] == 1) continue;
    const auto* conv = std::get_if<Conv2DOptions>(&op.options);
    if (conv == nullptr || x.shape[1] == 0 || weights.shape[0] % x.shape[1] != 0) continue;
    DepthwiseConv2DOptions options;
    options.padding = conv->padding;
    options.stride_w = conv->stride_w, options.stride_h = conv->stride_h;
    options.activation = conv->activation;
    options.dilation_w = conv->dilation_w, options.dilation_h = conv->dilation_h;
    options.depth_multiplier = weights.shape[0] / x.shape[1];
    // TFLite's kernels know one stride for depthwise convolutions; others run as a grouped CONV_2D.
    if (options.stride_w != options.stride_h) continue;
    op.op = Op::DEPTHWISE_CONV_2D;
    op.version = 0;
    op.options = options;
  }
}

bool is_free_unary(const Operator& op) {
  return op.inputs.size() == 1 && op.outputs.size() == 1 && !op.channels_first && is_unary_elementwise(op.op);
}

void sink_flattens(Subgraph& subgraph) {
  const Uses uses = find_uses(subgraph);
  for (Operator& reshape : subgraph.operators) {
    if (reshape.op != Op::RESHAPE) continue;
    // The chain of unary operators that read nothing but the flattened value, down to a FULLY_CONNECTED.
    std::vector<int> chain;
    int flat = reshape.outputs[0];
    bool reaches_linear = false;
    while (uses.consumers[static_cast<size_t>(flat)].size() == 1) {
      const Use use = uses.consumers[static_cast<size_t>(flat)][0];
      if (use.op == kGraphOutput) break;
      const Operator& reader = subgraph.operators[static_cast<size_t>(use.op)];
      reaches_linear = reader.op == Op::FULLY_CONNECTED && use.input == 0;
      const Tensor& t = tensor_at(subgraph, flat);
      if (reaches_linear || !is_free_unary(reader) || t.quantization.per_channel()) break;
      chain.push_back(use.op);
      flat = reader.outputs[0];
    }
    if (!reaches_linear || chain.empty() || tensor_at(subgraph, flat).quantization.per_channel()) continue;
    // The chain takes over the unflattened shape; the reshape's operator slot and the chain's last one swap roles.
    const Tensor whole = tensor_at(subgraph, reshape.inputs[0]);
    int previous = reshape.inputs[0];
    std::vector<Operator> moved;
    for (int index : chain) {
      Operator op = subgraph.operators[static_cast<size_t>(index)];
      op.inputs[0] = previous;
      if (index != chain.back()) {
        Tensor& out = tensor_at(subgraph, op.outputs[0]);
        out.shape = whole.shape;
        out.shape_signature = whole.shape_signature;
      } else {
        Tensor out = tensor_at(subgraph, op.outputs[0]);
        out.name += "_unflattened";
        out.shape = whole.shape;
        out.shape_signature = whole.shape_signature;
        op.outputs[0] = subgraph.add_tensor(std::move(out));
      }
      previous = op.outputs[0];
      moved.push_back(std::move(op));
    }
    Operator last = reshape;
    last.inputs[0] = previous;
    last.outputs[0] = flat;
    // Positions: reshape, chain[0], ..., chain[n-1] hold moved[0], ..., moved[n-1], reshape.
    reshape = moved[0];
    for (size_t i = 0; i < chain.size(); ++i) {
      subgraph.operators[static_cast<size_t>(chain[i])] = i + 1 < moved.size() ? moved[i + 1] : last;
    }
  }
}

}  // namespace

void prepare_layout(Subgraph& subgraph) {
  unify_reshapes(subgraph);
  raise_ranks(subgraph);
  find_depthwise(subgraph);
  sink_flattens(subgraph);
}

}  // namespace tinyml::tflite
