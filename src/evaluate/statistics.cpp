// Order statistics, running extremes, reductions that skip NaN, differences and integrals along a dimension.
#include <fmt/format.h>

#include <numeric>

#include "evaluate/algebra.h"
#include "evaluate/registry.h"

namespace tinyml::evaluation {
namespace {

int64_t dim_of(const OperatorCall& call, const Tensor& self) { return normalize_dim(call.integer("dim"), self.rank()); }

std::vector<int64_t> ascending(const double* row, int64_t length) {
  std::vector<int64_t> order(static_cast<size_t>(length));
  sort_positions(row, order.data(), length, false);
  return order;
}

/// Position of the k-th smallest element (from 0); with `skip_to_nan` the first NaN, if there is one.
int64_t ranked(const double* row, int64_t length, int64_t k, bool skip_to_nan) {
  if (k < 0 || k >= length) throw Error("k is out of range");
  for (int64_t i = 0; skip_to_nan && i < length; ++i) {
    if (row[i] != row[i]) return i;
  }
  return ascending(row, length)[static_cast<size_t>(k)];
}

/// Value and position that choose(row, length) -> position takes of each row.
template <typename Choose>
std::vector<Tensor> chosen(const Tensor& self, const Sizes& dims, bool keepdim, Choose choose) {
  const Rows rows = gather_rows(real(self), dims, keepdim);
  const auto position = [&](const double* row, int64_t length) -> int64_t { return choose(row, length); };
  return {reduce_rows<double, double>(rows, [&](const double* row, int64_t n) { return row[position(row, n)]; })
              .to(self.type()),
          reduce_rows<int64_t, double>(rows, position)};
}

/// Of an even number of elements the lower one.
std::vector<Tensor> median_dim(const OperatorCall& call) {
  const Tensor self = call.tensor("self");
  return chosen(self, {dim_of(call, self)}, call.boolean("keepdim"),
                [](const double* row, int64_t length) { return ranked(row, length, (length - 1) / 2, true); });
}

Tensor median(const OperatorCall& call) {
  return chosen(call.tensor("self"), {}, false,
                [](const double* row, int64_t length) { return ranked(row, length, (length - 1) / 2, true); })[0];
}

std::vector<Tensor> kthvalue(const OperatorCall& call) {
  const Tensor self = call.tensor("self");
  const int64_t k = call.integer("k") - 1;
  return chosen(self, {dim_of(call, self)}, call.boolean("keepdim"),
                [k](const double* row, int64_t length) { return ranked(row, length, k, false); });
}

Tensor quantile(const OperatorCall& call) {
  const Tensor self = call.tensor("self");
  const double q = call.number("q");
  const std::string& mode = call.string("interpolation");
  if (!(q >= 0 && q <= 1)) throw Error(fmt::format("quantile: {} does not lie between 0 and 1", q));
  Sizes dims;
  if (const auto dim = call.optional_integer("dim")) dims.push_back(normalize_dim(*dim, self.rank()));
  const Rows rows = gather_rows(real(self), dims, call.boolean("keepdim"));
  return reduce_rows<double, double>(rows,
                                     [&](const double* row, int64_t length) {
                                       const std::vector<int64_t> order = ascending(row, length);
                                       if (order.empty()) throw Error("quantile: nothing to choose from");
                                       if (row[order.back()] != row[order.back()]) return row[order.back()];
                                       const double place = q * static_cast<double>(length - 1);
                                       const double low = row[order[static_cast<size_t>(std::floor(place))]];
                                       const double high = row[order[static_cast<size_t>(std::ceil(place))]];
                                       if (mode == "lower") return low;
                                       if (mode == "higher") return high;
                                       if (mode == "midpoint") return (low + high) / 2;
                                       if (mode == "nearest")
                                         return row[order[static_cast<size_t>(std::nearbyint(place))]];
                                       return low + (place - std::floor(place)) * (high - low);
                                     })
      .to(self.type());
}

/// Largest (kSign 1) or smallest element so far and the last position that has it.
template <int kSign>
std::vector<Tensor> running_extreme(const OperatorCall& call) {
  const Tensor self = call.tensor("self");
  const int64_t dim = dim_of(call, self);
  const Tensor x = real(self);
  const auto better = [](double a, double b) { return b == b && (a != a || (kSign > 0 ? a >= b : a <= b)); };
  const auto follow = [&](const double* in, int64_t length, auto visit) {
    int64_t best = 0;
    for (int64_t i = 0; i < length; ++i) {
      if (i == 0 || better(in[i], in[best]) || in[i] != in[i]) best = i;
      visit(i, best);
    }
  };
  Tensor values = map_rows<double, double>(x, dim, [&](const double* in, double* out, int64_t length) {
    follow(in, length, [&](int64_t i, int64_t best) { out[i] = in[best]; });
  });
  Tensor positions = map_rows<int64_t, double>(x, dim, [&](const double* in, int64_t* out, int64_t length) {
    follow(in, length, [&](int64_t i, int64_t best) { out[i] = best; });
  });
  return {values.to(self.type()), positions};
}

Tensor logcumsumexp(const OperatorCall& call) {
  const Tensor self = call.tensor("self");
  return map_rows<double, double>(real(self), dim_of(call, self),
                                  [](const double* in, double* out, int64_t length) {
                                    double most = -std::numeric_limits<double>::infinity();
                                    double total = 0;
                                    for (int64_t i = 0; i < length; ++i) {
                                      const double next = std::max(most, in[i]);
                                      if (std::isfinite(next)) {
                                        total = total * std::exp(most - next) + std::exp(in[i] - next);
                                        most = next;
                                      }
                                      out[i] = in[i] != in[i] ? in[i] : most + std::log(total);
                                    }
                                  })
      .to(self.type());
}

/// Sum (or mean) of what is not NaN.
template <bool kMean>
Tensor skipping_nan(const OperatorCall& call) {
  const Tensor self = call.tensor("self");
  const ScalarType usual = is_floating_point(self.type()) ? self.type() : ScalarType::kInt64;
  const Rows rows = gather_rows(real(self), call.integers("dim"), call.boolean("keepdim"));
  return reduce_rows<double, double>(rows,
                                     [](const double* row, int64_t length) {
                                       double total = 0;
                                       double count = 0;
                                       for (int64_t i = 0; i < length; ++i) {
                                         if (row[i] != row[i]) continue;
                                         total += row[i];
                                         ++count;
                                       }
                                       return kMean ? total / count : total;
                                     })
      .to(call.optional_type("dtype").value_or(usual));
}

Tensor without_last(const Tensor& x, int64_t dim) { return slice(x, dim, 0, std::max<int64_t>(x.size(dim) - 1, 0), 1); }
Tensor without_first(const Tensor& x, int64_t dim) { return slice(x, dim, 1, x.size(dim), 1); }
Tensor differences(const Tensor& x, int64_t dim) { return without_first(x, dim) - without_last(x, dim); }

Tensor diff(const OperatorCall& call) {
  const Tensor self = call.tensor("self");
  const int64_t dim = dim_of(call, self);
  if (self.rank() == 0) throw Error("diff: a dimension is expected");
  std::vector<Tensor> parts;
  if (!call.is_none("prepend")) parts.push_back(real(call, "prepend"));
  parts.push_back(real(self));
  if (!call.is_none("append")) parts.push_back(real(call, "append"));
  Tensor x = concatenate(parts, dim);
  for (int64_t n = call.integer("n"); n > 0 && x.size(dim) > 0; --n) {
    x = differences(x, dim);
    if (self.type() == ScalarType::kBool) x = apply(x, [](double d) { return std::fabs(d); });
  }
  return x.to(self.type());
}

/// Areas between neighbouring points.
Tensor trapezoids(const OperatorCall& call) {
  const Tensor y = real(call, "y");
  const int64_t dim = dim_of(call, y);
  const Tensor sums = (without_first(y, dim) + without_last(y, dim)) * 0.5;
  if (!call.node().has_arg("x")) return sums * call.number("dx");
  Tensor x = real(call, "x");
  if (x.rank() != 1) return sums * differences(x, normalize_dim(call.integer("dim"), x.rank()));
  Sizes shape(y.shape().size(), 1);
  shape[static_cast<size_t>(dim)] = x.numel() - 1;
  return sums * differences(x, 0).reshaped(shape);
}

ScalarType integral_type(const OperatorCall& call) {
  const ScalarType type = call.tensor("y").type();
  return is_floating_point(type) ? type : call.default_float();
}

Tensor trapezoid(const OperatorCall& call) {
  return sum(trapezoids(call), {dim_of(call, call.tensor("y"))}).to(integral_type(call));
}

Tensor cumulative_trapezoid(const OperatorCall& call) {
  const auto add_up = [](const double* in, double* out, int64_t length) { std::partial_sum(in, in + length, out); };
  return map_rows<double, double>(trapezoids(call), dim_of(call, call.tensor("y")), add_up).to(integral_type(call));
}

constexpr OperatorEntry kOperators[] = {
    {"aten.median.default", median},
    {"aten.median.dim", median_dim},
    {"aten.kthvalue.default", kthvalue},
    {"aten.quantile.scalar", quantile},
    {"aten.cummax.default", running_extreme<1>},
    {"aten.cummin.default", running_extreme<-1>},
    {"aten.logcumsumexp.default", logcumsumexp},
    {"aten.nansum.default", skipping_nan<false>},
    {"aten.nanmean.default", skipping_nan<true>},
    {"aten.diff.default", diff},
    {"aten.trapezoid.dx", trapezoid},
    {"aten.trapezoid.x", trapezoid},
    {"aten.cumulative_trapezoid.dx", cumulative_trapezoid},
    {"aten.cumulative_trapezoid.x", cumulative_trapezoid},
};

}  // namespace

std::span<const OperatorEntry> statistics_operators() { return kOperators; }

}  // namespace tinyml::evaluation
