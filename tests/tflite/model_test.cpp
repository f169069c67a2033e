#include <gtest/gtest.h>

#include <cstring>

#include "tinyml/error.h"
#include "tinyml/tflite.h"

namespace tinyml::tflite {
namespace {

TEST(Buffer, AliasesWithoutCopying) {
  auto values = std::make_shared<std::vector<float>>(std::vector<float>{1, 2, 3});
  const Buffer buffer = Buffer::alias(values, values->data(), 12);
  EXPECT_EQ(buffer.as<float>().data(), values->data());
  EXPECT_EQ(buffer.as<float>().size(), 3U);
  std::weak_ptr<std::vector<float>> watch = values;
  values.reset();
  EXPECT_FALSE(watch.expired());
}

TEST(Buffer, RefusesMisalignedView) {
  auto bytes = std::make_shared<std::vector<double>>(2);
  const auto* start = reinterpret_cast<const char*>(bytes->data());
  EXPECT_THROW(Buffer::alias(bytes, start + 1, 4).as<float>(), Error);
}

TEST(Shapes, RefuseNonsense) {
  EXPECT_EQ(element_count({2, 3, 4}), 24);
  EXPECT_EQ(byte_count(Type::INT4, {3}), 2);
  EXPECT_THROW(element_count({2, -1}), Error);
  EXPECT_THROW(element_count({INT32_MAX, INT32_MAX, INT32_MAX}), Error);
  EXPECT_THROW(byte_count(Type::STRING, {1}), Error);
}

TEST(Subgraph, RefusesConstantOfTheWrongSize) {
  Subgraph subgraph;
  EXPECT_THROW(subgraph.add_constant("c", std::vector<float>{1, 2}, Shape{3}), Error);
  EXPECT_EQ(subgraph.add_constant("c", {1, 2, 3}), 0);
}

TEST(Writer, StoresSharedWeightsOnceAndAligned) {
  Model model;
  Subgraph& g = model.subgraphs.emplace_back();
  std::vector<float> values(1000);
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i) + 0.25F;
  const Buffer weights = Buffer::of(values);
  const int x = g.add_tensor("x", Type::FLOAT32, {1, 1000});
  const int a = g.add_constant("a", Type::FLOAT32, {1, 1000}, weights);
  const int b = g.add_constant("b", Type::FLOAT32, {1000}, weights);
  const int s = g.add_tensor("s", Type::FLOAT32, {1, 1000});
  const int y = g.add_tensor("y", Type::FLOAT32, {1, 1000});
  g.add_operator(Op::ADD, {x, a}, {s});
  g.add_operator(Op::MUL, {s, b}, {y});
  g.inputs = {x};
  g.outputs = {y};
  const std::vector<std::byte> file = serialize_tflite(model);
  EXPECT_LT(file.size(), 4000U + 1500U);
  EXPECT_EQ(std::memcmp(file.data() + 4, "TFL3", 4), 0);
  const char* bytes = reinterpret_cast<const char*>(file.data());
  const size_t at = std::string(bytes, file.size()).find(std::string(reinterpret_cast<const char*>(values.data()), 64));
  ASSERT_NE(at, std::string::npos);
  EXPECT_EQ(at % 16, 0U);
}

TEST(Writer, KeepsTheQuantizedDimension) {
  Model model;
  Subgraph& g = model.subgraphs.emplace_back();
  const Quantization quantization{{0.5F, 0.25F}, {0, 0}, 3};
  const int w = g.add_constant("w", Type::INT8, {1, 1, 1, 2}, Buffer::of(std::vector<int8_t>{1, 2}), quantization);
  const int y = g.add_tensor("y", Type::FLOAT32, {1, 1, 1, 2});
  g.add_operator(Op::DEQUANTIZE, {w}, {y});
  g.outputs = {y};
  const auto file = std::make_shared<const std::vector<std::byte>>(serialize_tflite(model));
  const Model again = read_tflite(*file, file);
  EXPECT_EQ(again.subgraphs[0].tensors[0].quantization, quantization);
}

TEST(Writer, RefusesLogicalForm) {
  Model model;
  Subgraph& g = model.subgraphs.emplace_back();
  const int x = g.add_tensor("x", Type::FLOAT32, {1, 3, 8, 8});
  const int y = g.add_tensor("y", Type::FLOAT32, {1, 3, 4, 4});
  g.add_operator(Op::MAX_POOL_2D, {x}, {y}, Pool2DOptions{.stride_w = 2, .stride_h = 2}, true);
  EXPECT_THROW(serialize_tflite(model), Error);
}

TEST(Writer, RefusesOptionsOfAnotherOperator) {
  Model model;
  Subgraph& g = model.subgraphs.emplace_back();
  const int x = g.add_tensor("x", Type::FLOAT32, {4});
  g.add_operator(Op::SOFTMAX, {x}, {x}, Conv2DOptions{});
  EXPECT_THROW(serialize_tflite(model), Error);
}

}  // namespace
}  // namespace tinyml::tflite
