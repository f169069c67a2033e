// Operands that say how: axes, sizes, positions.
#include <array>

#include "tflite/verify/checker.h"

namespace tinyml::tflite {
namespace {

struct Attribute {
  Op op;
  size_t slot;
  int per_axis = 0;  ///< Values for each axis of the first operand; 0: any number.
};

constexpr auto kAttributes = std::to_array<Attribute>({
    {Op::RESHAPE, 1},
    {Op::TRANSPOSE, 1, 1},
    {Op::PAD, 1, 2},
    {Op::PADV2, 1, 2},
    {Op::MIRROR_PAD, 1, 2},
    {Op::SLICE, 1, 1},
    {Op::SLICE, 2, 1},
    {Op::STRIDED_SLICE, 1},
    {Op::STRIDED_SLICE, 2},
    {Op::STRIDED_SLICE, 3},
    {Op::GATHER, 1},
    {Op::MEAN, 1},
    {Op::SUM, 1},
    {Op::REDUCE_MAX, 1},
    {Op::REDUCE_MIN, 1},
    {Op::REDUCE_PROD, 1},
    {Op::REDUCE_ANY, 1},
    {Op::REDUCE_ALL, 1},
    {Op::RESIZE_BILINEAR, 1},
    {Op::RESIZE_NEAREST_NEIGHBOR, 1},
    {Op::SPLIT, 0},
    {Op::SPLIT_V, 1},
    {Op::SPLIT_V, 2},
    {Op::TILE, 1, 1},
    {Op::BROADCAST_TO, 1},
    {Op::EXPAND_DIMS, 1},
    {Op::CUMSUM, 1},
    {Op::REVERSE_V2, 1},
    {Op::TRANSPOSE_CONV, 0},
});

bool is_integer(Type type) { return type == Type::INT32 || type == Type::INT64 || type == Type::INT16; }

}  // namespace

void check_attributes(const Checker& checker) {
  for (const Operator& op : checker.subgraph.operators) {
    if (op.channels_first) continue;
    for (const Attribute& attribute : kAttributes) {
      const Tensor* values = attribute.op == op.op ? checker.input(op, attribute.slot) : nullptr;
      if (values == nullptr) continue;
      if (!is_integer(values->type)) {
        checker.report(op, fmt::format("'{}' is {} where integers are needed", values->name, to_string(values->type)));
      }
      const Tensor* x = checker.input(op, 0);
      if (attribute.per_axis == 0 || x == nullptr) continue;
      Shape needed{x->rank()};
      if (attribute.per_axis > 1) needed.push_back(attribute.per_axis);
      if (values->shape != needed) {
        checker.report(op, fmt::format("'{}' does not have {} for each of {} axes", values->name,
                                       attribute.per_axis == 1 ? "a value" : "two values", x->rank()));
      }
    }
  }
}

}  // namespace tinyml::tflite
