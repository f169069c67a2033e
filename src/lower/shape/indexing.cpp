// index_select and index with one tensor of positions: GATHER.
#include "lower/registry.h"

namespace tinyml::lowering {
namespace {

// Negative positions count from the end.
TensorId positions(Lowering& at, ValueId value, int64_t length) {
  const Binding* binding = at.graph().binding_of(value);
  if (binding != nullptr) {
    std::vector<int32_t> rows;
    for (const double row : binding->data.to_doubles()) {
      rows.push_back(static_cast<int32_t>(row < 0 ? row + static_cast<double>(length) : row));
    }
    return at.constant(std::move(rows), binding->data.shape());
  }
  const TensorId rows = at.tensor_of(value);
  const TensorId wrapped = at.binary(Op::ADD, rows, at.scalar(static_cast<double>(length), Type::INT32));
  return at.select(at.compare(Op::LESS, rows, at.scalar(0, Type::INT32)), wrapped, rows);
}

void lower_index_select(Lowering& at) {
  const TensorId x = at.input("self");
  const int64_t axis = at.axis("dim", at.rank(x));
  const TensorId rows = positions(at, at.node().arg("index").as_value(), at.shape(x)[static_cast<size_t>(axis)]);
  at.set_output(at.reshape(at.gather(x, rows, axis), at.output_sizes()));
}

void lower_index(Lowering& at) {
  const TensorId x = at.input("self");
  int64_t axis = -1;
  ValueId index = kNoValue;
  int64_t dim = 0;
  for (const Argument& item : at.node().arg("indices").as_list()) {
    if (!item.is_none()) {
      if (index != kNoValue) at.refuse("several tensors of positions", "index one dimension after the other");
      index = item.as_value();
      axis = dim;
    }
    ++dim;
  }
  if (index == kNoValue) return at.set_output(x);
  if (!is_integral(at.graph().tensor_type(index).type)) {
    at.refuse("a boolean mask, whose result has a size that depends on data", "use torch.where");
  }
  at.set_output(at.gather(x, positions(at, index, at.shape(x)[static_cast<size_t>(axis)]), axis));
}

}  // namespace

void register_indexing(Registry& registry) {
  registry.add({"index_select.default"}, lower_index_select);
  registry.add({"index.Tensor"}, lower_index);
}

}  // namespace tinyml::lowering
