#include "tinyml/kernel_rounding.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace tinyml {
namespace {

using Kind = KernelScaling::Kind;

/// n * multiplier as fixed-point kernels compute it: a product of 31 bits, rounded, then a rounding shift.
int64_t multiply_twice_rounded(int64_t n, double multiplier) {
  int exponent = 0;
  const auto fraction = static_cast<int64_t>(std::nearbyint(std::ldexp(std::frexp(multiplier, &exponent), 31)));
  const int64_t product = (exponent > 0 ? n << exponent : n) * fraction;
  const int64_t high = (product + (product >= 0 ? int64_t{1} << 30 : 1 - (int64_t{1} << 30))) / (int64_t{1} << 31);
  if (exponent >= 0) return high;
  const int64_t divisor = int64_t{1} << -exponent;
  const int64_t magnitude = (std::abs(high) + divisor / 2) / divisor;
  return high < 0 ? -magnitude : magnitude;
}

TEST(KernelScaling, TwiceRoundedProductsAreThoseOfIntegers) {
  std::mt19937 random(5);
  std::uniform_int_distribution<int64_t> integers(-200'000, 200'000);
  std::uniform_real_distribution<double> exponents(-12, 0.5);
  int otherwise = 0;
  for (int i = 0; i < 200'000; ++i) {
    const int64_t n = integers(random);
    const double multiplier = std::exp2(exponents(random));
    const KernelScaling scaling{Kind::kTwice, multiplier};
    const double steps = static_cast<double>(n) * multiplier;
    const auto expected = static_cast<double>(multiply_twice_rounded(n, multiplier));
    ASSERT_EQ(scaling.level(steps, -7), expected - 7) << n << " * " << multiplier;
    // As a sum of float32 has it.
    ASSERT_EQ(scaling.level(static_cast<double>(static_cast<float>(steps)), 0), expected) << n << " * " << multiplier;
    otherwise += std::nearbyint(steps) != expected ? 1 : 0;
  }
  EXPECT_GT(otherwise, 1000);
}

TEST(KernelScaling, EachKindHasItsRounding) {
  EXPECT_EQ((KernelScaling{}.level(2.5, 1)), 3);                       // to even
  EXPECT_EQ((KernelScaling{Kind::kOnce, 0.5}.level(2.5, 1)), 3);       // to even
  EXPECT_EQ((KernelScaling{Kind::kTwice, 0.5}.level(2.5, 0)), 3);      // up
  EXPECT_EQ((KernelScaling{Kind::kTwice, 0.25}.level(-2.5, 0)), -3);   // away from the zero point
  EXPECT_EQ((KernelScaling{Kind::kTwice, 0.3}.level(0.3 * 8, 0)), 3);  // 2.4 by way of 2.5
  EXPECT_EQ((KernelScaling{Kind::kUp, 0.25}.level(-2.5, 0)), -2);      // up
  EXPECT_EQ((KernelScaling{Kind::kAway, 0.25}.level(-2.5, 5)), 3);     // away from the integer 0
  EXPECT_EQ((KernelScaling{Kind::kAway, 0.25}.level(-2.5, -5)), -8);
  EXPECT_EQ((KernelScaling{Kind::kBytes, 0.999}.level(0.999 * 250, 0)), 250);  // 0.999 is 256 / 256
  EXPECT_EQ((KernelScaling{Kind::kBytes, 1.0, 0, 0.1}.level(-0.1 * 200, 0)), -20);
  EXPECT_EQ((KernelScaling{Kind::kTwice, 4.0}.level(10, 0)), 10);  // cut off by a clamp: 10 is no multiple of 4
}

}  // namespace
}  // namespace tinyml
