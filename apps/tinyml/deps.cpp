#include <fmt/format.h>

#include <memory>

#include "commands.h"
#include "load.h"
#include "text.h"
#include "tinyml/analysis.h"

namespace tinyml::cli {
namespace {

constexpr const char* kFooter = R"(
Channels that live and die together form a subgraph: cutting one channel of a layer cuts it in every layer of its
subgraph. This lists them, and what cannot be pruned and why:
  tinyml deps model.pt2
  tinyml deps model.pt2 --dot -o deps.dot    for Graphviz: dot -Tsvg deps.dot -o deps.svg)";

struct Options {
  std::string input, output;
  bool dot = false, heads = false;
};

void run(const Options& options, const Common& common) {
  Progress progress(common.quiet);
  const Graph graph = load_graph(options.input, progress);
  const DependencyGraph dependencies = analyze_dependencies(graph, {options.heads});
  progress.done(
      fmt::format("found {} subgraphs of {} channels", dependencies.subgraphs.size(), dependencies.unit_count));
  print_or_write(options.output, options.dot ? to_dot(dependencies) : to_string(dependencies));
}

}  // namespace

void add_deps(CLI::App& app, const Common& common) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      app.add_subcommand("deps", "Show which channels live and die together, and what cannot be pruned");
  command->footer(kFooter);
  command->add_option("model", options->input, "The model, a .pt2 archive")->required();
  command->add_flag("--dot", options->dot, "Graphviz source instead of text");
  command->add_flag("--heads", options->heads, "Whole heads of attention, not indices of each head");
  command->add_option("-o,--output", options->output, "File to write instead of stdout");
  command->callback([options, &common] { run(*options, common); });
}

}  // namespace tinyml::cli
