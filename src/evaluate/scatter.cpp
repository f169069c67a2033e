// Writing elements at computed or fixed positions into a copy of a tensor.
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <limits>

#include "evaluate/advanced_index.h"
#include "evaluate/registry.h"
#include "evaluate/view.h"

namespace tinyml::evaluation {
namespace {

enum class Combine { kReplace, kAdd, kMultiply };

Combine parse_combine(const std::string& name) {
  if (name == "add") return Combine::kAdd;
  if (name == "multiply") return Combine::kMultiply;
  throw Error(fmt::format("reduction '{}' is not supported", name));
}

template <typename T>
T combine(Combine how, T old, T added) {
  switch (how) {
    case Combine::kReplace:
      return added;
    case Combine::kAdd:
      return old + added;
    case Combine::kMultiply:
      return old * added;
  }
  return added;
}

/// result[i][index[i][j]] combined with src[i][j] for dim 1; a source of rank 0 stands for all.
Tensor scatter_into(const OperatorCall& call, const Tensor& src, Combine how) {
  const Tensor self = call.tensor("self");
  const Tensor index = call.tensor("index").to(ScalarType::kInt64);
  const int64_t dim = normalize_dim(call.integer("dim"), self.rank());
  return dispatch_compute(self.type(),
                          [&](auto zero) {
                            using T = decltype(zero);
                            constexpr ScalarType kCompute = scalar_type_of<T>();
                            Tensor values = src.to(kCompute);
                            if (values.rank() == 0) {
                              values = broadcast_to(values, index.shape());
                            } else {
                              if (values.rank() != index.rank()) throw Error("the source does not fit the index");
                              for (int64_t d = 0; d < index.rank(); ++d) {
                                if (values.size(d) < index.size(d)) throw Error("the source does not fit the index");
                                values = slice(values, d, 0, index.size(d), 1);
                              }
                            }
                            values = values.contiguous();
                            Tensor result = self.to(kCompute);
                            const T* from = values.data<T>().data();
                            T* out = result.mutable_data<T>();
                            for_each_gathered(self.shape(), index, dim, [&](int64_t at, int64_t to) {
                              out[to] = combine(how, out[to], from[at]);
                            });
                            return result;
                          })
      .to(self.type());
}

Tensor scatter_source(const OperatorCall& call) { return scatter_into(call, call.tensor("src"), Combine::kReplace); }
Tensor scatter_value(const OperatorCall& call) { return scatter_into(call, call.tensor("value"), Combine::kReplace); }
Tensor scatter_add(const OperatorCall& call) { return scatter_into(call, call.tensor("src"), Combine::kAdd); }
Tensor scatter_combine(const OperatorCall& call) {
  return scatter_into(call, call.tensor("src"), parse_combine(call.string("reduce")));
}
Tensor scatter_value_combine(const OperatorCall& call) {
  return scatter_into(call, call.tensor("value"), parse_combine(call.string("reduce")));
}

/// Rewrites slices of `dim` at the listed indices: f(tensor's slice, source's slice or value).
Tensor write_indices(const OperatorCall& call, const Tensor& source, Combine how, double scale) {
  const Tensor self = call.tensor("self");
  const Tensor index = call.tensor("index").to(ScalarType::kInt64);
  const auto axis = static_cast<size_t>(normalize_dim(call.integer("dim"), self.rank()));
  if (self.rank() == 0) throw Error("a tensor of rank 0 has no indices");
  Sizes shape = self.shape();
  shape[axis] = index.numel();
  return dispatch_compute(self.type(),
                          [&](auto zero) {
                            using T = decltype(zero);
                            constexpr ScalarType kCompute = scalar_type_of<T>();
                            const Tensor values = broadcast_to(source.to(kCompute), shape).contiguous();
                            Tensor result = self.to(kCompute);
                            const T* from = values.data<T>().data();
                            T* out = result.mutable_data<T>();
                            for_each_listed(self.shape(), axis, index, [&](int64_t i, int64_t to) {
                              out[to] = combine(how, out[to], static_cast<T>(static_cast<T>(scale) * from[i]));
                            });
                            return result;
                          })
      .to(self.type());
}

Tensor index_add(const OperatorCall& call) {
  return write_indices(call, call.tensor("source"), Combine::kAdd, call.number("alpha"));
}
Tensor index_copy(const OperatorCall& call) { return write_indices(call, call.tensor("source"), Combine::kReplace, 1); }
Tensor index_fill(const OperatorCall& call) { return write_indices(call, call.tensor("value"), Combine::kReplace, 1); }

/// A copy of `self` whose elements that `choose` shows (a view of them) are those of `src`.
template <typename Choose>
Tensor write_view(const OperatorCall& call, Choose choose) {
  const Tensor self = call.tensor("self");
  std::vector<int64_t> positions(static_cast<size_t>(self.numel()));
  for (size_t i = 0; i < positions.size(); ++i) positions[i] = static_cast<int64_t>(i);
  const Tensor chosen = choose(Tensor::from(positions, self.shape())).contiguous();
  const Tensor src = broadcast_to(call.tensor("src").to(self.type()), chosen.shape()).contiguous();
  Tensor result = self.contiguous();
  const size_t element = size_of(self.type());
  std::byte* out = result.mutable_bytes();
  const auto targets = chosen.data<int64_t>();
  for (size_t i = 0; i < targets.size(); ++i) {
    std::memcpy(out + static_cast<size_t>(targets[i]) * element, src.bytes() + i * element, element);
  }
  return result;
}

Tensor slice_scatter(const OperatorCall& call) {
  return write_view(call, [&](const Tensor& tensor) {
    return slice(tensor, call.integer("dim"), call.optional_integer("start").value_or(0),
                 call.optional_integer("end").value_or(std::numeric_limits<int64_t>::max()), call.integer("step"));
  });
}

Tensor select_scatter(const OperatorCall& call) {
  return write_view(call,
                    [&](const Tensor& tensor) { return select(tensor, call.integer("dim"), call.integer("index")); });
}

Tensor diagonal_scatter(const OperatorCall& call) {
  return write_view(call, [&](const Tensor& t) {
    return diagonal(t, call.integer("offset"), call.integer("dim1"), call.integer("dim2"));
  });
}

/// At positions of the flattened tensor.
Tensor put(const OperatorCall& call) {
  const Tensor self = call.tensor("self");
  const Tensor index = call.tensor("index").to(ScalarType::kInt64).contiguous();
  const Combine how = call.boolean("accumulate") ? Combine::kAdd : Combine::kReplace;
  return dispatch_compute(self.type(),
                          [&](auto zero) {
                            using T = decltype(zero);
                            constexpr ScalarType kCompute = scalar_type_of<T>();
                            const Tensor source = call.tensor("source").to(kCompute);
                            if (source.numel() != index.numel())
                              throw Error("put: one value for each index is expected");
                            Tensor result = self.to(kCompute);
                            const T* from = source.data<T>().data();
                            T* out = result.mutable_data<T>();
                            for (size_t i = 0; i < index.data<int64_t>().size(); ++i) {
                              const int64_t to = checked_index(index.data<int64_t>()[i], self.numel());
                              out[to] = combine(how, out[to], from[i]);
                            }
                            return result;
                          })
      .to(self.type());
}

/// The source's elements in order, one for each place where the mask is true.
Tensor masked_scatter(const OperatorCall& call) {
  const Tensor self = call.tensor("self");
  const Tensor mask = call.tensor("mask");
  const Sizes shapes[] = {self.shape(), mask.shape()};
  const Sizes shape = broadcast_shapes(shapes);
  const Tensor flags = broadcast_to(mask.to(ScalarType::kBool), shape).contiguous();
  const Tensor source = call.tensor("source").to(self.type());
  Tensor result = broadcast_to(self, shape).contiguous();
  const size_t element = size_of(self.type());
  std::byte* out = result.mutable_bytes();
  int64_t used = 0;
  for (int64_t i = 0; i < flags.numel(); ++i) {
    if (!flags.data<bool>()[static_cast<size_t>(i)]) continue;
    if (used == source.numel()) throw Error("masked_scatter: the source has too few elements");
    std::memcpy(out + static_cast<size_t>(i) * element, source.bytes() + static_cast<size_t>(used++) * element,
                element);
  }
  return result;
}

constexpr OperatorEntry kOperators[] = {
    {"aten.scatter.src", scatter_source},
    {"aten.scatter.value", scatter_value},
    {"aten.scatter.reduce", scatter_combine},
    {"aten.scatter.value_reduce", scatter_value_combine},
    {"aten.scatter_add.default", scatter_add},
    {"aten.diagonal_scatter.default", diagonal_scatter},
    {"aten.put.default", put},
    {"aten.masked_scatter.default", masked_scatter},
    {"aten.index_add.default", index_add},
    {"aten.index_copy.default", index_copy},
    {"aten.index_fill.int_Scalar", index_fill},
    {"aten.index_fill.int_Tensor", index_fill},
    {"aten.slice_scatter.default", slice_scatter},
    {"aten.select_scatter.default", select_scatter},
};

}  // namespace

std::span<const OperatorEntry> scatter_operators() { return kOperators; }

}  // namespace tinyml::evaluation
