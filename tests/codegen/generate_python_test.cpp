#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "tinyml/codegen.h"
#include "tinyml/schema.h"

namespace tinyml {
namespace {

TensorType floats(const std::vector<int64_t>& sizes) { return TensorType::of(ScalarType::kFloat32, sizes); }

/// A graph with one input that `add` extends node by node, each in the module of the given path and class.
class Builder {
 public:
  explicit Builder(const std::vector<int64_t>& sizes) { last = graph.add_input("x", floats(sizes)); }

  ValueId parameter(const std::string& fqn, std::vector<int64_t> shape) {
    return graph.add_binding(BindingKind::kParameter, fqn, Tensor(ScalarType::kFloat32, std::move(shape)));
  }
  ValueId add(const char* op, std::vector<NamedArgument> args, const std::vector<int64_t>& sizes,
              const std::string& path = "", const std::string& type = "") {
    last = graph.add_operator(op, make_args(op, std::move(args)), floats(sizes));
    std::vector<ModuleCall>& stack = graph.metadata(graph.value(last).producer).module_stack;
    stack.push_back({"root", "", "Net"});
    if (!path.empty()) stack.push_back({path, path, type});
    return last;
  }
  std::string source() {
    graph.add_output(Output{Argument(last), OutputKind::kUser, ""});
    return generate_python(graph).source;
  }

  Graph graph;
  ValueId last = kNoValue;
};

TEST(GeneratePython, DerivesArgumentsFromNodeAndWeights) {
  Builder b({1, 4, 8, 8});
  const ValueId weight = b.parameter("conv.weight", {6, 2, 3, 3});
  b.add("aten.conv2d.default",
        {{"input", b.last},
         {"weight", weight},
         {"stride", Argument::ints({2, 2})},
         {"padding", Argument::ints({1, 0})},
         {"groups", 2}},
        {1, 6, 4, 3}, "conv", "torch.nn.modules.conv.Conv2d");
  b.add("aten.relu.default", {{"self", b.last}}, {1, 6, 4, 3}, "act", "torch.nn.modules.activation.ReLU");
  const std::string source = b.source();
  EXPECT_NE(source.find("self.conv = nn.Conv2d(4, 6, 3, stride=2, padding=(1, 0), groups=2, bias=False)\n"),
            std::string::npos)
      << source;
  EXPECT_NE(source.find("        self.act = nn.ReLU()\n"), std::string::npos) << source;
  EXPECT_NE(source.find("    def forward(self, x: torch.Tensor) -> torch.Tensor:\n"
                        "        x = self.conv(x)\n"
                        "        return self.act(x)\n"),
            std::string::npos)
      << source;
}

TEST(GeneratePython, WritesOutAModuleThatIsNotWhatItsClassRuns) {
  Builder b({2, 4});
  const ValueId weight = b.parameter("fc.weight", {3, 4});
  const ValueId scaled =
      b.add("aten.mul.Tensor", {{"self", weight}, {"other", 0.5}}, {3, 4}, "fc", "torch.nn.modules.linear.Linear");
  b.graph.metadata(b.graph.value(scaled).producer).module_stack[1].key = "fc";
  b.add("aten.linear.default", {{"input", b.graph.inputs()[0].value}, {"weight", scaled}}, {2, 3}, "fc",
        "torch.nn.modules.linear.Linear");
  const std::string source = b.source();
  EXPECT_NE(source.find("self.weight = nn.Parameter(torch.zeros((3, 4)))\n"), std::string::npos) << source;
  EXPECT_NE(source.find("self.weight * 0.5\n"), std::string::npos) << source;
  EXPECT_NE(source.find("self.fc = Linear()\n"), std::string::npos) << source;
}

TEST(GeneratePython, NamesViewsByAxes) {
  Builder b({1, 6, 5, 5});
  b.add("aten.view.default", {{"self", b.last}, {"size", Argument::ints({1, 2, 3, 5, 5})}}, {1, 2, 3, 5, 5});
  b.add("aten.view.default", {{"self", b.last}, {"size", Argument::ints({1, 6, 25})}}, {1, 6, 25});
  b.add("aten.view.default", {{"self", b.last}, {"size", Argument::ints({1, 150})}}, {1, 150});
  const std::string source = b.source();
  EXPECT_NE(source.find("x.unflatten(1, (2, -1))"), std::string::npos) << source;
  EXPECT_NE(source.find("x.reshape(x.size(0), 6, 25)"), std::string::npos) << source;
  EXPECT_NE(source.find("x.flatten(1)"), std::string::npos) << source;
}

TEST(GeneratePython, PrintsAnyOtherOperatorByItsName) {
  Builder b({2, 4});
  b.add("aten.sinc.default", {{"self", b.last}}, {2, 4});
  EXPECT_NE(b.source().find("return torch.ops.aten.sinc.default(x)\n"), std::string::npos);
}

TEST(GeneratePython, RefusesClassNamesAndRegions) {
  Builder b({2, 4});
  EXPECT_THROW(generate_python(b.graph, {.class_name = "not a name", .weights_path = ""}), Error);
  Node node;
  node.op = "higher_order.cond";
  node.args = {{"", Argument(b.last)}};
  node.outputs = {b.graph.add_value("y", floats({2, 4}))};
  b.last = node.outputs[0];
  b.graph.add_node(node);
  EXPECT_THROW(b.source(), Error);
}

TEST(WriteSafetensors, HasAlignedDataBehindItsHeader) {
  const std::string path = testing::TempDir() + "codegen_weights.safetensors";
  write_safetensors({{"a", Tensor::from<float>({1.5f, -2.0f}, {2})}, {"b", Tensor::scalar(int64_t{7})}}, path);
  std::ifstream file(path, std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(file)), {});
  const size_t start = 8 + static_cast<unsigned char>(bytes[0]) + 256 * static_cast<unsigned char>(bytes[1]);
  EXPECT_EQ(start % 64, 0u);
  EXPECT_EQ(bytes.size(), start + 16);
  EXPECT_NE(bytes.find(R"("b":{"dtype":"I64","shape":[],"data_offsets":[8,16]})"), std::string::npos);
  EXPECT_EQ(bytes.substr(start + 8, 1), std::string("\7"));
  std::filesystem::remove(path);
  EXPECT_THROW(write_safetensors({}, testing::TempDir() + "no/such/folder/w.safetensors"), Error);
}

}  // namespace
}  // namespace tinyml
