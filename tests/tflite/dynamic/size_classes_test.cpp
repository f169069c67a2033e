#include "tflite/dynamic/size_classes.h"

#include <gtest/gtest.h>

namespace tinyml::tflite {
namespace {

Tensor dynamic(Shape shape, Shape signature) {
  Tensor tensor;
  tensor.shape = std::move(shape);
  tensor.shape_signature = std::move(signature);
  return tensor;
}

TEST(SizeClasses, TellSizesApart) {
  SizeClasses classes;
  const Shape first = classes.shape_of(0, 0, dynamic({1, 1, 7}, {-1, -1, 7}));
  EXPECT_NE(first[0], first[1]);
  EXPECT_GT(first[0], 1);
  EXPECT_EQ(first[2], 7);
  classes.use_variant(1);
  const Shape second = classes.shape_of(0, 0, dynamic({1, 1, 7}, {-1, -1, 7}));
  EXPECT_NE(first[0], second[0]);
  EXPECT_EQ(second[2], 7);
}

TEST(SizeClasses, AreOneWhereOperatorsForceThem) {
  SizeClasses classes;
  const Tensor x = dynamic({1, 4}, {-1, 4});
  const std::vector<Shape> shapes = {classes.shape_of(0, 0, x), classes.shape_of(0, 1, x)};
  EXPECT_NE(shapes[0], shapes[1]);
  EXPECT_TRUE(classes.unite_aligned(shapes));
  EXPECT_EQ(classes.shape_of(0, 0, x), classes.shape_of(0, 1, x));
  EXPECT_TRUE(classes.pin({classes.shape_of(0, 0, x)}));
  EXPECT_EQ(classes.shape_of(0, 1, x), (Shape{1, 4}));
}

TEST(SizeClasses, KeepSizesThatCannotGrow) {
  SizeClasses classes;
  EXPECT_EQ(classes.shape_of(0, 0, dynamic({1275068417}, {-1})), Shape{1275068417});
}

}  // namespace
}  // namespace tinyml::tflite
