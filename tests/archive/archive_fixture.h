#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "archive/zip_reader.h"
#include "archive/zip_writer.h"
#include "tinyml/archive.h"
#include "tinyml/schema.h"

namespace tinyml {

/// A folder that is gone after the test.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    path_ = std::filesystem::temp_directory_path() /
            (std::string("tinyml_") + test->test_suite_name() + "_" + test->name() + "_" + std::to_string(::getpid()));
    std::filesystem::remove_all(path_);
    std::filesystem::create_directories(path_);
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

inline std::string read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// Memory of exactly that many bytes on the heap, so that sanitizers see every step outside.
inline Storage to_storage(const std::string& bytes) {
  auto block = std::make_shared<std::vector<std::byte>>(bytes.size());
  for (size_t i = 0; i < bytes.size(); ++i) (*block)[i] = static_cast<std::byte>(bytes[i]);
  const std::byte* data = block->data();
  return Storage::view(std::move(block), data, bytes.size());
}

/// What the reader says about an archive; "" if it accepts it.
inline std::string problem_of(const std::string& bytes) {
  try {
    verify(read_pt2(to_storage(bytes)));
  } catch (const Error& error) {
    EXPECT_EQ(std::string(error.what()).find("internal error"), std::string::npos) << error.what();
    return error.what();
  }
  return "";
}

/// linear -> relu with a weight, a buffer that is written, a constant and a dynamic size; built from nothing.
inline Graph small_graph() {
  Graph graph;
  const Dim batch(SymExpr::parse("Symbol('s0', positive=True, integer=True)"), 2);
  TensorType type;
  type.shape = {batch, 3};
  Value input;
  input.name = "x";
  input.tensor = type;
  const ValueId x = graph.add_value(std::move(input));
  graph.add_input({"x", x, {}});
  graph.add_input({"flag", kNoValue, Argument(3)});
  const ValueId weight =
      graph.add_binding(BindingKind::kParameter, "fc.weight", Tensor::from<float>({1, 2, 3, 4, 5, 6, 7, 8, 9}, {3, 3}));
  const ValueId count = graph.add_binding(BindingKind::kBuffer, "count", Tensor::from<int64_t>({5}, {}));
  const ValueId shift = graph.add_binding(BindingKind::kConstant, "shift", Tensor::from<float>({1, 0, -1}, {3}));
  const auto add = [&](const char* op, std::vector<NamedArgument> args, const TensorType& result) {
    return graph.add_operator(op, make_args(op, std::move(args)), result);
  };
  const ValueId y = add("aten.linear.default", {{"input", x}, {"weight", weight}}, type);
  const ValueId z = add("aten.add.Tensor", {{"self", y}, {"other", shift}}, type);
  const ValueId relu = add("aten.relu.default", {{"self", z}}, type);
  const ValueId next = add("aten.add.Tensor", {{"self", count}, {"other", 1}}, TensorType::of(ScalarType::kInt64, {}));
  graph.metadata(graph.first_node()).module_stack = {{"L__self__", "", "Model"},
                                                     {"L__self___fc", "fc", "torch.nn.Linear"}};
  graph.metadata(graph.first_node()).stack_trace = {{"model.py", 7, "forward", "return self.fc(x)"}};
  graph.add_output({Argument(relu), {}, {}});
  graph.add_output({Argument(next), OutputKind::kBufferMutation, "count"});
  graph.add_output({Argument(), {}, {}});
  return graph;
}

/// The entries of an archive, to be changed and written again.
struct Entries {
  std::map<std::string, std::string> files;

  std::string write(const std::filesystem::path& path, ZipWriterOptions options = {}) const {
    ZipWriter zip(path, options);
    for (const auto& [name, content] : files) zip.add(name, content);
    zip.finish();
    return read_file(path);
  }
};

}  // namespace tinyml
