#include "tflite/operator_traits.h"

#include <algorithm>

#include "tflite/constant_values.h"

namespace tinyml::tflite {
namespace {

template <class Predicate>
bool any_operand(const Subgraph& subgraph, const Operator& op, Predicate predicate) {
  const auto holds = [&](int id) { return id != kNoTensor && predicate(subgraph.tensors[static_cast<size_t>(id)]); };
  return std::any_of(op.inputs.begin(), op.inputs.end(), holds) ||
         std::any_of(op.outputs.begin(), op.outputs.end(), holds);
}

bool is_of_known_meaning(Op op) { return op != Op::CUSTOM && !to_string(op).empty() && !is_stablehlo(op); }

}  // namespace

bool has_effects(const Subgraph& subgraph, const Operator& op) {
  if (!is_of_known_meaning(op.op)) return true;
  switch (op.op) {
    case Op::DELEGATE:
    case Op::IF:
    case Op::WHILE:
    case Op::CALL:
    case Op::CALL_ONCE:
    case Op::ASSIGN_VARIABLE:
    case Op::HASHTABLE_IMPORT:
      return true;
    default:
      return any_operand(subgraph, op, [](const Tensor& tensor) { return tensor.is_variable; });
  }
}

bool is_repeatable(const Subgraph& subgraph, const Operator& op) {
  if (has_effects(subgraph, op)) return false;
  switch (op.op) {
    case Op::RANDOM_UNIFORM:
    case Op::RANDOM_STANDARD_NORMAL:
    case Op::MULTINOMIAL:
    case Op::LSTM:
    case Op::SVDF:
    case Op::RNN:
    case Op::UNIDIRECTIONAL_SEQUENCE_LSTM:
    case Op::BIDIRECTIONAL_SEQUENCE_LSTM:
    case Op::UNIDIRECTIONAL_SEQUENCE_RNN:
    case Op::BIDIRECTIONAL_SEQUENCE_RNN:
      return false;
    default:
      return !any_operand(subgraph, op, [](const Tensor& tensor) {
        return tensor.type == Type::RESOURCE || tensor.type == Type::VARIANT;
      });
  }
}

bool is_reshape_by_output(const Subgraph& subgraph, const Operator& op) {
  const Tensor& out = subgraph.tensors[static_cast<size_t>(op.outputs[0])];
  const auto dynamic = std::count(out.shape_signature.begin(), out.shape_signature.end(), -1);
  const bool computed = op.inputs.size() > 1 && !constant_integers(subgraph, op, 1);
  return dynamic == 0 || (dynamic == 1 && !computed);
}

bool is_unary_elementwise(Op op) {
  switch (op) {
    case Op::RELU:
    case Op::RELU6:
    case Op::RELU_N1_TO_1:
    case Op::RELU_0_TO_1:
    case Op::LEAKY_RELU:
    case Op::ELU:
    case Op::GELU:
    case Op::HARD_SWISH:
    case Op::LOGISTIC:
    case Op::TANH:
    case Op::ABS:
    case Op::NEG:
    case Op::EXP:
    case Op::LOG:
    case Op::SIN:
    case Op::COS:
    case Op::SQRT:
    case Op::RSQRT:
    case Op::SQUARE:
    case Op::FLOOR:
    case Op::CEIL:
    case Op::ROUND:
    case Op::SIGN:
    case Op::CAST:
    case Op::QUANTIZE:
    case Op::DEQUANTIZE:
      return true;
    default:
      return false;
  }
}

bool is_arithmetic(Op op) {
  return op == Op::ADD || op == Op::SUB || op == Op::MUL || op == Op::DIV || op == Op::MAXIMUM || op == Op::MINIMUM;
}

bool touches_opaque(const Subgraph& subgraph, const Operator& op) {
  return any_operand(subgraph, op, [](const Tensor& tensor) { return tensor.opaque || bits_of(tensor.type) == 0; });
}

}  // namespace tinyml::tflite
