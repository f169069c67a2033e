// Sums, means and maxima of rows of an embedding table.
#include <algorithm>
#include <limits>

#include "evaluate/advanced_index.h"
#include "evaluate/dispatch.h"
#include "evaluate/registry.h"

namespace tinyml::evaluation {
namespace {

enum class BagMode : int64_t { kSum, kMean, kMax };

std::vector<int64_t> integers_of(const Tensor& tensor) {
  const Tensor converted = tensor.to(ScalarType::kInt64);
  const auto values = converted.data<int64_t>();
  return {values.begin(), values.end()};
}

/// One bag: rows `indices[begin..end)` of the table, without those of the padding index.
template <typename T>
void reduce_bag(const T* table, int64_t width, std::span<const int64_t> indices, const T* weights, int64_t padding,
                BagMode mode, T* out) {
  int64_t count = 0;
  std::vector<double> sums(static_cast<size_t>(width), 0);
  for (size_t i = 0; i < indices.size(); ++i) {
    if (indices[i] == padding) continue;
    const double weight = weights == nullptr ? 1 : static_cast<double>(weights[i]);
    for (int64_t k = 0; k < width; ++k) {
      const double value = weight * static_cast<double>(table[indices[i] * width + k]);
      double& sum = sums[static_cast<size_t>(k)];
      sum = mode == BagMode::kMax ? (count == 0 ? value : std::max(sum, value)) : sum + value;
    }
    ++count;
  }
  const double divisor = mode == BagMode::kMean ? static_cast<double>(std::max<int64_t>(count, 1)) : 1;
  for (int64_t k = 0; k < width; ++k) out[k] = static_cast<T>(sums[static_cast<size_t>(k)] / divisor);
}

/// The bags' vectors; the operator's other results serve its backward and are not computed.
std::vector<Tensor> embedding_bag(const OperatorCall& call) {
  for (size_t i = 1; i < call.output_count(); ++i) {
    if (call.wants_output(i)) throw Error("embedding_bag: only its first result is supported");
  }
  const Tensor weight = call.tensor("weight");
  if (weight.rank() != 2) throw Error("embedding_bag: the weight must be a matrix");
  std::vector<int64_t> indices = integers_of(call.tensor("indices"));
  for (int64_t& index : indices) index = checked_index(index, weight.size(0));
  const auto total = static_cast<int64_t>(indices.size());
  std::vector<int64_t> bounds = integers_of(call.tensor("offsets"));
  if (!call.boolean("include_last_offset")) bounds.push_back(total);
  if (bounds.empty()) throw Error("embedding_bag: there are no offsets");
  int64_t padding = -1;  // no row
  if (call.node().has_arg("padding_idx") && !call.is_none("padding_idx")) {
    padding = call.integer("padding_idx");
    if (padding < 0 && call.op() == "aten.embedding_bag.padding_idx") padding += weight.size(0);
  }
  const auto mode = static_cast<BagMode>(call.integer("mode"));
  const int64_t width = weight.size(1);
  const auto bags = static_cast<int64_t>(bounds.size()) - 1;
  Tensor result = dispatch_floating(weight.type(), [&](auto zero) {
    using T = decltype(zero);
    constexpr ScalarType kCompute = scalar_type_of<T>();
    const Tensor table = weight.to(kCompute).contiguous();
    Tensor weights;
    if (!call.is_none("per_sample_weights")) weights = call.tensor("per_sample_weights").to(kCompute).contiguous();
    if (weights.defined() && weights.numel() != total) throw Error("embedding_bag: one weight an index is expected");
    Tensor sums(kCompute, {bags, width});
    T* out = sums.template mutable_data<T>();
    for (int64_t bag = 0; bag < bags; ++bag) {
      const int64_t begin = bounds[static_cast<size_t>(bag)];
      const int64_t end = std::min(bounds[static_cast<size_t>(bag) + 1], total);
      if (begin < 0 || begin > end) throw Error("embedding_bag: the offsets do not ascend");
      const T* own = weights.defined() ? weights.template data<T>().data() + begin : nullptr;
      const std::span<const int64_t> rows(indices.data() + begin, static_cast<size_t>(end - begin));
      reduce_bag(table.template data<T>().data(), width, rows, own, padding, mode, out + bag * width);
    }
    return sums;
  });
  std::vector<Tensor> results(call.output_count(), Tensor(ScalarType::kInt64, {0}));
  results[0] = result.to(weight.type());
  return results;
}

constexpr OperatorEntry kOperators[] = {
    {"aten.embedding_bag.default", embedding_bag},
    {"aten.embedding_bag.padding_idx", embedding_bag},
    {"aten._embedding_bag.default", embedding_bag},
};

}  // namespace

std::span<const OperatorEntry> embedding_bag_operators() { return kOperators; }

}  // namespace tinyml::evaluation
