#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>

#include "commands.h"
#include "describe_tflite.h"
#include "load.h"
#include "text.h"
#include "tinyml/analysis.h"

namespace tinyml::cli {
namespace {

constexpr const char* kFooter = R"(
Shows what is in a model before you change it:
  tinyml info model.pt2            inputs, outputs, parameters, multiply-accumulates, memory, operators
  tinyml info model.pt2 --layers   one line for each operator, with its cost
  tinyml info model.pt2 --graph    the whole graph, one line a node
  tinyml info model.tflite         of a TFLite file: inputs, outputs, signatures, scales, costs, operators
  tinyml info model.pt2 --dot -o model.dot    for Graphviz: dot -Tsvg model.dot -o model.svg)";

struct Options {
  std::string input, output;
  bool layers = false, graph = false, dot = false;
};

std::string type_text(const Graph& graph, ValueId id) {
  if (id == kNoValue) return "constant";
  const Value& value = graph.value(id);
  if (value.kind != ValueKind::kTensor) return "number";
  std::vector<std::string> sizes;
  for (const Dim& dim : value.tensor.shape) sizes.push_back(dim.to_string());
  return fmt::format("{} [{}]", name_of(value.tensor.type), fmt::join(sizes, ", "));
}

// "aten.conv2d.default" as "conv2d".
std::string short_name(const std::string& op) {
  const size_t begin = op.starts_with("aten.") ? 5 : 0;
  const size_t end = op.rfind('.');
  return op.substr(begin, end == std::string::npos || end < begin ? std::string::npos : end - begin);
}

std::string summary(const Graph& graph, const ModelCost& cost) {
  std::vector<std::vector<std::string>> rows;
  for (const Input& input : graph.inputs()) rows.push_back({"input", input.name, type_text(graph, input.value)});
  for (const Output& output : graph.outputs()) {
    if (output.kind != OutputKind::kUser || !output.value.is_value()) continue;
    const ValueId id = output.value.as_value();
    rows.push_back({"output", graph.value(id).name, type_text(graph, id)});
  }
  std::string text = table(rows) + "\n";

  text += table({{"parameters", with_commas(cost.parameters), bytes_text(static_cast<uint64_t>(cost.parameter_bytes))},
                 {"multiply-accumulates", with_commas(cost.total.macs), ""},
                 {"FLOPs", with_commas(cost.total.flops), ""},
                 {"peak activation memory", bytes_text(static_cast<uint64_t>(cost.peak_activation_bytes)), ""}},
                {1});

  std::map<std::string, size_t> counts;
  for (const NodeId id : graph.nodes()) ++counts[short_name(graph.node(id).op)];
  std::vector<std::pair<std::string, size_t>> sorted(counts.begin(), counts.end());
  std::stable_sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
  text += fmt::format("\n{} operators\n", graph.node_count());
  rows.clear();
  for (const auto& [name, count] : sorted) rows.push_back({std::to_string(count), name});
  return text + table(rows, {0});
}

std::string layers(const Graph& graph, const ModelCost& cost) {
  std::vector<std::vector<std::string>> rows = {{"module", "operator", "output", "MACs", "share"}};
  for (const NodeCost& entry : cost.nodes) {
    const Node& node = graph.node(entry.node);
    const bool has_output = !node.outputs.empty() && node.outputs[0] != kNoValue;
    const double share =
        cost.total.macs > 0 ? 100.0 * static_cast<double>(entry.cost.macs) / static_cast<double>(cost.total.macs) : 0;
    rows.push_back({node.module_path(), short_name(node.op), has_output ? type_text(graph, node.outputs[0]) : "",
                    with_commas(entry.cost.macs), fmt::format("{:.1f} %", share)});
  }
  return table(rows, {3, 4});
}

void run(const Options& options, const Common& common) {
  Progress progress(common.quiet);
  if (options.input.ends_with(".tflite")) {
    if (options.graph || options.dot) throw CLI::ValidationError("--graph, --dot", "are for .pt2 archives");
    const tflite::Model model = tflite::read_tflite(options.input);
    return print_or_write(options.output, options.layers ? list_operators(model) : describe(model));
  }
  const Graph graph = load_graph(options.input, progress);
  if (options.dot) return print_or_write(options.output, to_dot(graph));
  if (options.graph) return print_or_write(options.output, to_string(graph));
  const ModelCost cost = count_cost(graph);
  print_or_write(options.output, options.layers ? layers(graph, cost) : summary(graph, cost));
}

}  // namespace

void add_info(CLI::App& app, const Common& common) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("info", "Show a model's inputs, outputs, size, cost and operators");
  command->footer(kFooter);
  command->add_option("model", options->input, "The model, a .pt2 archive or a .tflite file")->required();
  CLI::Option* layers = command->add_flag("--layers", options->layers, "One line for each operator");
  CLI::Option* graph = command->add_flag("--graph", options->graph, "The graph as text")->excludes(layers);
  command->add_flag("--dot", options->dot, "The graph as Graphviz source")->excludes(layers)->excludes(graph);
  command->add_option("-o,--output", options->output, "File to write instead of stdout");
  command->callback([options, &common] { run(*options, common); });
}

}  // namespace tinyml::cli
