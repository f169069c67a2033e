#include "tinyml/tensor.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace tinyml {
namespace {

TEST(Tensor, PermutedViewsReadInTheirOwnOrder) {
  const Tensor tensor = Tensor::from<float>({0, 1, 2, 3, 4, 5}, {2, 3});
  const std::vector<int64_t> order = {1, 0};
  const Tensor transposed = tensor.permuted(order);
  EXPECT_FALSE(transposed.is_contiguous());
  EXPECT_EQ(transposed.to_doubles(), (std::vector<double>{0, 3, 1, 4, 2, 5}));
  EXPECT_EQ(transposed.contiguous().shape(), (std::vector<int64_t>{3, 2}));
}

TEST(Tensor, WritingCopiesSharedStorage) {
  Tensor a = Tensor::from<float>({1, 2}, {2});
  const Tensor b = a;
  a.mutable_data<float>()[0] = 5;
  EXPECT_EQ(b.data<float>()[0], 1);
  EXPECT_EQ(a.data<float>()[0], 5);
}

TEST(Tensor, ViewsOutsideTheirStorageAreRefused) {
  EXPECT_THROW(Tensor(ScalarType::kFloat32, {4}, {1}, 1, Storage::allocate(16)), Error);
  EXPECT_THROW(Tensor(ScalarType::kFloat32, {2}, {int64_t{1} << 62}, 0, Storage::allocate(16)), Error);
  EXPECT_THROW(Tensor(ScalarType::kFloat32, {-1}, {1}, 0, Storage::allocate(16)), Error);
  EXPECT_THROW(Tensor(ScalarType::kFloat32, {int64_t{1} << 40, int64_t{1} << 40}), Error);
}

TEST(Tensor, IndexSelectTakesAnyDimension) {
  const Tensor tensor = Tensor::from<int64_t>({0, 1, 2, 3, 4, 5}, {2, 3});
  const std::vector<int64_t> keep = {2, 0};
  EXPECT_EQ(tensor.index_select(1, keep).to_doubles(), (std::vector<double>{2, 0, 5, 3}));
  EXPECT_EQ(tensor.index_select(-1, keep).shape(), (std::vector<int64_t>{2, 2}));
}

TEST(Tensor, HalfConversionsRoundTripEveryFinitePattern) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const auto half = static_cast<uint16_t>(bits);
    const float value = half_to_float(half);
    if (std::isnan(value)) continue;
    ASSERT_EQ(float_to_half(value), half) << bits;
  }
  EXPECT_EQ(half_to_float(float_to_half(65520.0f)), std::numeric_limits<float>::infinity());
  EXPECT_EQ(half_to_float(float_to_half(1.0f + 1.0f / 2048)), 1.0f);
}

TEST(Tensor, ConversionSaturates) {
  const Tensor tensor = Tensor::from<float>({300.0f, -300.0f, std::nanf("")}, {3});
  EXPECT_EQ(tensor.to(ScalarType::kInt8).to_doubles(), (std::vector<double>{127, -128, 0}));
}

}  // namespace
}  // namespace tinyml
