#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "archive/archive_fixture.h"

namespace tinyml {
namespace {

TEST(Archive, AGraphFromNothingComesBackAsItWas) {
  const TemporaryFolder folder;
  const Graph graph = small_graph();
  write_pt2(graph, folder / "small.pt2");
  const Graph again = read_pt2(folder / "small.pt2");
  verify(again);
  // The archive puts what is written back before what the user gets.
  Graph expected = graph;
  expected.set_outputs({graph.outputs()[1], graph.outputs()[0], graph.outputs()[2]});
  EXPECT_EQ(to_string(again), to_string(expected));
  const Node& linear = again.node(again.first_node());
  EXPECT_EQ(linear.metadata.module_stack, graph.node(graph.first_node()).metadata.module_stack);
  EXPECT_EQ(linear.source().line, 7);
  EXPECT_EQ(linear.source().text, "return self.fc(x)");
  EXPECT_EQ(again.find_binding("fc.weight")->data.to_doubles(), graph.find_binding("fc.weight")->data.to_doubles());
  EXPECT_EQ(again.find_binding("count")->data.data<int64_t>()[0], 5);
  EXPECT_EQ(again.inputs()[1].constant, Argument(3));
  EXPECT_TRUE(again.outputs()[2].value.is_none());
}

TEST(Archive, EveryKindOfArgumentSurvives) {
  const TemporaryFolder folder;
  Graph graph = small_graph();
  const ValueId x = graph.inputs()[0].value;
  Value size;
  size.name = "size";
  size.kind = ValueKind::kSymInt;
  size.symbol = graph.tensor_type(x).shape[0];
  const ValueId symbol = graph.add_value(std::move(size));
  graph.add_node({"aten.sym_size.int", make_args("aten.sym_size.int", {{"self", x}, {"dim", 0}}), {symbol}, false, {}});
  using List = Argument::List;
  const std::vector<NamedArgument> args{{"none", Argument()},
                                        {"tensor", x},
                                        {"int", int64_t{-7}},
                                        {"double", 0.1},
                                        {"infinity", -INFINITY},
                                        {"bool", true},
                                        {"text", "quote \" slash \\ line \n"},
                                        {"type", ScalarType::kBFloat16},
                                        {"format", MemoryFormat::kChannelsLast},
                                        {"layout", Layout::kStrided},
                                        {"device", Device{"cuda", 1}},
                                        {"symbol", symbol},
                                        {"ints", Argument::ints({1, 2})},
                                        {"doubles", List{1.5, 2.0}},
                                        {"bools", List{true, false}},
                                        {"texts", List{"a", "b"}},
                                        {"tensors", List{x, x}},
                                        {"optional", List{Argument(), x}},
                                        {"symbols", List{1, symbol}},
                                        {"nested", List{List{1, 2}, List{3}}}};
  Node node;
  node.op = "mine.operator.default";
  node.args = args;
  graph.add_node(std::move(node));
  write_pt2(graph, folder / "small.pt2");
  const Graph again = read_pt2(folder / "small.pt2");
  std::vector<NodeId> nodes = again.nodes();
  const Node& read = again.node(nodes.back());
  ASSERT_EQ(read.args.size(), args.size());
  for (size_t i = 0; i < args.size(); ++i) {
    EXPECT_EQ(read.args[i].name, args[i].name);
    EXPECT_EQ(read.args[i].value.data.index(), args[i].value.data.index()) << args[i].name;
  }
  EXPECT_EQ(to_string(again).find("0.1, infinity=-inf") != std::string::npos, true) << to_string(again);
  EXPECT_EQ(read.arg("text"), args[6].value);
  EXPECT_EQ(read.arg("nested"), args[19].value);
  EXPECT_EQ(read.arg("device"), args[10].value);
}

TEST(Archive, TensorsThatShareStorageAreStoredOnce) {
  const TemporaryFolder folder;
  Graph graph = small_graph();
  const Tensor shared = Tensor::from<float>({1, 2, 3, 4, 5, 6}, {2, 3});
  graph.add_binding(BindingKind::kBuffer, "a", shared);
  graph.add_binding(BindingKind::kBuffer, "b", shared.permuted(std::vector<int64_t>{1, 0}));
  write_pt2(graph, folder / "small.pt2");
  const Graph again = read_pt2(folder / "small.pt2");
  EXPECT_EQ(again.find_binding("a")->data.storage().data(), again.find_binding("b")->data.storage().data());
  EXPECT_EQ(again.find_binding("b")->data.to_doubles(), (std::vector<double>{1, 4, 2, 5, 3, 6}));
}

TEST(Archive, WeightsAreAlignedViewsOfTheFile) {
  const TemporaryFolder folder;
  write_pt2(small_graph(), folder / "small.pt2");
  const std::string bytes = read_file(folder / "small.pt2");
  const Storage file = to_storage(bytes);
  const Graph graph = read_pt2(file);
  const std::byte* data = graph.find_binding("fc.weight")->data.bytes();
  EXPECT_GE(data, file.data());
  EXPECT_LT(data, file.data() + file.size());
  EXPECT_EQ((data - file.data()) % 64, 0);
}

TEST(Archive, Zip64RecordsAreRead) {
  const TemporaryFolder folder;
  write_pt2(small_graph(), folder / "small.pt2");
  Entries entries;
  const ZipReader zip(to_storage(read_file(folder / "small.pt2")));
  for (const std::string& name : zip.names()) entries.files[zip.root() + name] = std::string(zip.text(name));
  const std::string large = entries.write(folder / "large.pt2", {.force_zip64 = true});
  EXPECT_EQ(problem_of(large), "");
}

}  // namespace
}  // namespace tinyml
