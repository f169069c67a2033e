#include "prune/gather_indices.h"

#include <gtest/gtest.h>

#include <cstring>
#include <numeric>

namespace tinyml::prune {
namespace {

Tensor counting(ScalarType type, std::vector<int64_t> shape) {
  Tensor tensor(ScalarType::kInt64, std::move(shape));
  auto* data = tensor.mutable_data<int64_t>();
  std::iota(data, data + tensor.numel(), int64_t{0});
  return tensor.to(type);
}

void expect_same(const Tensor& actual, const Tensor& expected) {
  ASSERT_EQ(actual.shape(), expected.shape());
  ASSERT_EQ(actual.type(), expected.type());
  EXPECT_EQ(std::memcmp(actual.bytes(), expected.bytes(), expected.nbytes()), 0);
}

TEST(GatherIndices, SelectsAsOneDimensionAfterTheOther) {
  const std::vector<int64_t> rows = {0, 2, 3}, columns = {1, 4}, inner = {0, 2};
  for (const ScalarType type : {ScalarType::kUInt8, ScalarType::kInt16, ScalarType::kFloat32, ScalarType::kFloat64}) {
    for (const std::vector<int64_t>& shape :
         std::vector<std::vector<int64_t>>{{4, 5, 3}, {4, 5, 3, 3}, {4, 5, 3, 5, 5}}) {
      const Tensor data = counting(type, shape);
      expect_same(gather_indices(data, {{1, columns}, {0, rows}}), data.index_select(0, rows).index_select(1, columns));
      expect_same(gather_indices(data, {{2, inner}, {0, rows}}), data.index_select(0, rows).index_select(2, inner));
      expect_same(gather_indices(data, {{1, columns}}), data.index_select(1, columns));
    }
  }
}

TEST(GatherIndices, ReadsViewsAndTakesNoIndices) {
  const Tensor data = counting(ScalarType::kFloat32, {4, 6});
  const std::vector<int64_t> order = {1, 0}, some = {1, 3};
  expect_same(gather_indices(data.permuted(order), {{0, some}, {1, some}}),
              data.index_select(0, some).index_select(1, some).permuted(order).contiguous());
  EXPECT_EQ(gather_indices(data, {{0, {}}}).shape(), (std::vector<int64_t>{0, 6}));
  expect_same(gather_indices(data, {}), data);
}

TEST(GatherIndices, ItsResultCanBeWritten) {
  const Tensor first = gather_indices(counting(ScalarType::kFloat32, {3, 2}), {{0, {0, 2}}});
  Tensor second = first;
  second.mutable_data<float>()[0] = 7.0f;
  EXPECT_EQ(first.data<float>()[0], 0.0f);
  EXPECT_EQ(second.data<float>()[0], 7.0f);
  EXPECT_EQ(second.data<float>()[3], 5.0f);
}

}  // namespace
}  // namespace tinyml::prune
