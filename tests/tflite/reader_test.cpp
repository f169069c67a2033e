#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <fstream>

#include "tinyml/error.h"
#include "tinyml/tflite.h"
#include "tinyml/tflite_verify.h"

namespace tinyml::tflite {
namespace {

/// x int8 [1,4,4,2] -> CONV_2D (per channel) -> RESHAPE -> DEQUANTIZE.
Model quantized_model() {
  Model model;
  model.description = "test";
  Subgraph& g = model.subgraphs.emplace_back();
  g.name = "main";
  const int x = g.add_tensor("x", Type::INT8, {1, 4, 4, 2}, {{0.5F}, {3}, 0});
  const int w = g.add_constant("w", Type::INT8, {3, 1, 1, 2}, Buffer::of(std::vector<int8_t>{1, 2, 3, 4, 5, -127}),
                               {{0.25F, 0.5F, 1.0F}, {0, 0, 0}, 0});
  const int b = g.add_constant("b", Type::INT32, {3}, Buffer::of(std::vector<int32_t>{7, 8, 9}),
                               {{0.125F, 0.25F, 0.5F}, {0, 0, 0}, 0});
  const int y = g.add_tensor("y", Type::INT8, {1, 4, 4, 3}, {{2.0F}, {-5}, 0});
  const int r = g.add_tensor("r", Type::INT8, {1, 48}, {{2.0F}, {-5}, 0});
  const int f = g.add_tensor("f", Type::FLOAT32, {1, 48});
  g.add_operator(Op::CONV_2D, {x, w, b}, {y}, Conv2DOptions{.activation = Activation::RELU6});
  g.add_operator(Op::RESHAPE, {y}, {r}, ReshapeOptions{{1, 48}});
  g.add_operator(Op::DEQUANTIZE, {r}, {f});
  g.inputs = {x};
  g.outputs = {f};
  model.signatures.push_back({"serving_default", {{"image", x}}, {{"logits", f}}, 0});
  model.metadata.push_back({"note", Buffer::of(std::vector<char>{'h', 'i'})});
  return model;
}

Model reread(const Model& model) {
  const auto file = std::make_shared<const std::vector<std::byte>>(serialize_tflite(model));
  return read_tflite(*file, file);
}

TEST(Reader, ReturnsWhatWasWritten) {
  const Model model = quantized_model();
  const Model copy = reread(model);
  EXPECT_EQ(copy.description, "test");
  ASSERT_EQ(copy.subgraphs.size(), 1U);
  const Subgraph& a = model.subgraphs[0];
  const Subgraph& b = copy.subgraphs[0];
  EXPECT_EQ(b.inputs, a.inputs);
  EXPECT_EQ(b.outputs, a.outputs);
  ASSERT_EQ(b.tensors.size(), a.tensors.size());
  for (size_t i = 0; i < a.tensors.size(); ++i) {
    EXPECT_EQ(b.tensors[i].name, a.tensors[i].name);
    EXPECT_EQ(b.tensors[i].shape, a.tensors[i].shape);
    EXPECT_EQ(b.tensors[i].type, a.tensors[i].type);
    EXPECT_EQ(b.tensors[i].quantization, a.tensors[i].quantization);
    ASSERT_EQ(b.tensors[i].buffer.size(), a.tensors[i].buffer.size());
    const auto written = a.tensors[i].buffer.as<std::byte>(), read = b.tensors[i].buffer.as<std::byte>();
    EXPECT_TRUE(std::equal(written.begin(), written.end(), read.begin(), read.end()));
  }
  ASSERT_EQ(b.operators.size(), a.operators.size());
  for (size_t i = 0; i < a.operators.size(); ++i) {
    EXPECT_EQ(b.operators[i].op, a.operators[i].op);
    EXPECT_EQ(b.operators[i].inputs, a.operators[i].inputs);
    EXPECT_EQ(b.operators[i].outputs, a.operators[i].outputs);
    EXPECT_EQ(b.operators[i].options, a.operators[i].options);
  }
  EXPECT_EQ(copy.signatures[0].inputs[0].first, "image");
  EXPECT_EQ(copy.metadata[0].name, "note");
  EXPECT_NO_THROW(verify(copy));
  EXPECT_EQ(serialize_tflite(copy), serialize_tflite(reread(copy)));
}

TEST(Reader, ConstantsAliasTheFile) {
  const auto file = std::make_shared<const std::vector<std::byte>>(serialize_tflite(quantized_model()));
  const Model model = read_tflite(*file, file);
  const std::byte* weights = model.subgraphs[0].tensors[1].buffer.data();
  EXPECT_GE(weights, file->data());
  EXPECT_LT(weights, file->data() + file->size());
}

TEST(Reader, EveryTruncationAndBitFlipIsRefusedOrSound) {
  const std::vector<std::byte> file = serialize_tflite(quantized_model());
  for (size_t length = 0; length < file.size(); ++length) {
    const auto part =
        std::make_shared<const std::vector<std::byte>>(file.begin(), file.begin() + static_cast<long>(length));
    EXPECT_THROW(read_tflite(*part, part), Error) << length;
  }
  for (size_t at = 0; at < file.size(); ++at) {
    for (const int mask : {0x01, 0x80, 0xff}) {
      auto damaged = std::make_shared<std::vector<std::byte>>(file);
      (*damaged)[at] ^= static_cast<std::byte>(mask);
      try {
        const Model model = read_tflite(*damaged, damaged);
        find_violations(model);
      } catch (const Error&) {
      }
    }
  }
}

// As in files over 2 GB, at a limit that a test can afford.
TEST(Reader, ContentsBehindTheFlatbuffer) {
  Model model = quantized_model();
  Subgraph& g = model.subgraphs[0];
  std::vector<std::vector<float>> contents;
  for (int i = 0; i < 3; ++i) {
    std::vector<float> values(20000 + static_cast<size_t>(i));
    for (size_t k = 0; k < values.size(); ++k) values[k] = static_cast<float>(k % 97) + static_cast<float>(i);
    contents.push_back(values);
    const int x = g.add_tensor("x" + std::to_string(i), Type::FLOAT32, {static_cast<int32_t>(values.size())});
    const int y = g.add_tensor("y" + std::to_string(i), Type::FLOAT32, {static_cast<int32_t>(values.size())});
    const int c = g.add_constant("c" + std::to_string(i), std::move(values), g.tensors.back().shape);
    g.inputs.push_back(x);
    g.add_operator(Op::ADD, {x, c}, {y}, ArithmeticOptions{});
    g.outputs.push_back(y);
  }
  const auto file =
      std::make_shared<const std::vector<std::byte>>(serialize_tflite(model, {.largest_flatbuffer = 100'000}));
  const auto whole = serialize_tflite(model);
  EXPECT_NE(*file, whole);
  const Model copy = read_tflite(*file, file);
  EXPECT_EQ(serialize_tflite(copy), serialize_tflite(reread(model)));
  int found = 0;
  for (const Tensor& tensor : copy.subgraphs[0].tensors) {
    if (tensor.name[0] != 'c') continue;
    const auto values = tensor.buffer.as<float>();
    EXPECT_EQ(reinterpret_cast<uintptr_t>(values.data()) % 16, reinterpret_cast<uintptr_t>(file->data()) % 16);
    EXPECT_EQ(std::vector<float>(values.begin(), values.end()), contents[static_cast<size_t>(found++)]);
  }
  EXPECT_EQ(found, 3);
}

TEST(Reader, NamesTheFile) {
  const std::string path = ::testing::TempDir() + "reader_test.tflite";
  std::ofstream(path, std::ios::binary) << "this is a text, not a model at all";
  try {
    read_tflite(path);
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find(path), std::string::npos);
  }
  std::remove(path.c_str());
  EXPECT_THROW(read_tflite(path), Error);
}

}  // namespace
}  // namespace tinyml::tflite
