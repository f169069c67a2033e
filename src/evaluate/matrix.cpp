// linear, matmul and their relatives.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "evaluate/matrix_multiply.h"
#include "evaluate/registry.h"
#include "evaluate/view.h"

namespace tinyml::evaluation {
namespace {

[[noreturn]] void refuse_shapes(const Tensor& a, const Tensor& b) {
  throw Error(
      fmt::format("shapes [{}] and [{}] cannot be multiplied", fmt::join(a.shape(), ", "), fmt::join(b.shape(), ", ")));
}

/// Stacks of matrices [..., M, K] and [..., K, N].
template <typename T>
Tensor multiply_stacks(const Tensor& a, const Tensor& b) {
  const int64_t rows = a.size(-2);
  const int64_t inner = a.size(-1);
  const int64_t columns = b.size(-1);
  if (b.size(-2) != inner) refuse_shapes(a, b);
  const Sizes stacks[] = {Sizes(a.shape().begin(), a.shape().end() - 2), Sizes(b.shape().begin(), b.shape().end() - 2)};
  const Sizes stack = broadcast_shapes(stacks);
  Sizes shape = stack;
  shape.insert(shape.end(), {rows, columns});
  Tensor result(scalar_type_of<T>(), shape);
  if (result.numel() == 0 || inner == 0) return result;
  const Tensor left = a.contiguous();
  const Tensor right = b.contiguous();
  const T* x = left.data<T>().data();
  const T* y = right.data<T>().data();
  T* out = result.mutable_data<T>();
  const BroadcastWalk walk(stack, stacks);
  walk.for_each_row([&](int64_t at, const std::vector<int64_t>& offsets) {
    for (int64_t i = 0; i < walk.row_length(); ++i) {
      const int64_t xi = offsets[0] + i * walk.row_step(0);
      const int64_t yi = offsets[1] + i * walk.row_step(1);
      matrix(out + (at + i) * rows * columns, rows, columns).noalias() =
          matrix(x + xi * rows * inner, rows, inner) * matrix(y + yi * inner * columns, inner, columns);
    }
  });
  return result;
}

/// beta * base + alpha * product, base broadcast.
Tensor add_product(const OperatorCall& call, const Tensor& base, const Tensor& product) {
  const double alpha = call.number("alpha");
  const double beta = call.number("beta");
  return dispatch_compute(product.type(),
                          [&](auto zero) {
                            using T = decltype(zero);
                            constexpr ScalarType kCompute = scalar_type_of<T>();
                            const auto scale = static_cast<T>(alpha);
                            const auto base_scale = static_cast<T>(beta);
                            return map_elements<T, T>(product.to(kCompute), base.to(kCompute), [=](T x, T y) -> T {
                              return scale * x + (base_scale == 0 ? T{0} : base_scale * y);
                            });
                          })
      .to(product.type());
}

Tensor product_of(const OperatorCall& call, const char* left, const char* right) {
  return matrix_multiply(call.tensor(left), call.tensor(right));
}

Tensor matmul(const OperatorCall& call) { return product_of(call, "self", "other"); }
Tensor mm(const OperatorCall& call) { return product_of(call, "self", "mat2"); }
Tensor mv(const OperatorCall& call) { return product_of(call, "self", "vec"); }
Tensor dot(const OperatorCall& call) { return product_of(call, "self", "tensor"); }
Tensor addmm(const OperatorCall& call) {
  return add_product(call, call.tensor("self"), product_of(call, "mat1", "mat2"));
}
Tensor addmv(const OperatorCall& call) {
  return add_product(call, call.tensor("self"), product_of(call, "mat", "vec"));
}
Tensor baddbmm(const OperatorCall& call) {
  return add_product(call, call.tensor("self"), product_of(call, "batch1", "batch2"));
}

Tensor linear_operator(const OperatorCall& call) {
  return linear(call.tensor("input"), call.tensor("weight"), call.optional_tensor("bias"));
}

Tensor outer(const OperatorCall& call) {
  return matrix_multiply(unsqueeze(call.tensor("self"), 1), unsqueeze(call.tensor("vec2"), 0));
}

constexpr OperatorEntry kOperators[] = {
    {"aten.matmul.default", matmul}, {"aten.mm.default", mm},           {"aten.bmm.default", mm},
    {"aten.mv.default", mv},         {"aten.dot.default", dot},         {"aten.addmm.default", addmm},
    {"aten.addmv.default", addmv},   {"aten.baddbmm.default", baddbmm}, {"aten.linear.default", linear_operator},
    {"aten.outer.default", outer},
};

}  // namespace

Tensor matrix_multiply(const Tensor& a, const Tensor& b) {
  if (a.rank() == 0 || b.rank() == 0) refuse_shapes(a, b);
  if (a.type() != b.type()) {
    throw Error(fmt::format("{} and {} cannot be multiplied", name_of(a.type()), name_of(b.type())));
  }
  const Tensor left = a.rank() == 1 ? unsqueeze(a, 0) : a;
  const Tensor right = b.rank() == 1 ? unsqueeze(b, 1) : b;
  Tensor result = dispatch_compute(a.type(), [&](auto zero) {
                    using T = decltype(zero);
                    return multiply_stacks<T>(left.to(scalar_type_of<T>()), right.to(scalar_type_of<T>()));
                  }).to(a.type());
  if (a.rank() == 1) result = select(result, -2, 0);
  if (b.rank() == 1) result = select(result, -1, 0);
  return result;
}

Tensor linear(const Tensor& input, const Tensor& weight, const Tensor& bias) {
  if (weight.rank() == 1) {
    const Tensor result = matrix_multiply(input, weight);
    if (bias.defined()) throw Error("linear: a bias needs a weight matrix");
    return result;
  }
  if (input.rank() == 0 || weight.rank() != 2 || input.size(-1) != weight.size(1)) refuse_shapes(input, weight);
  Sizes shape = input.shape();
  shape.back() = weight.size(0);
  return dispatch_floating(input.type(),
                           [&](auto zero) {
                             using T = decltype(zero);
                             constexpr ScalarType kCompute = scalar_type_of<T>();
                             const Tensor x = input.to(kCompute);
                             const Tensor w = weight.to(kCompute);
                             Tensor result(kCompute, shape);
                             const int64_t rows = product(std::span(shape).first(shape.size() - 1));
                             if (result.numel() == 0) return result;
                             auto out = matrix(result.mutable_data<T>(), rows, weight.size(0));
                             out.noalias() = matrix(x.data<T>().data(), rows, weight.size(1)) *
                                             matrix(w.data<T>().data(), weight.size(0), weight.size(1)).transpose();
                             if (bias.defined()) {
                               if (bias.numel() != weight.size(0))
                                 throw Error("linear: the bias does not fit the weight");
                               const Tensor b = bias.to(kCompute);
                               out.rowwise() += matrix(b.data<T>().data(), 1, weight.size(0)).row(0);
                             }
                             return result;
                           })
      .to(input.type());
}

std::span<const OperatorEntry> matrix_operators() { return kOperators; }

}  // namespace tinyml::evaluation
