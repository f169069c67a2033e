#include <fmt/format.h>

#include <cmath>
#include <memory>

#include "commands.h"
#include "load.h"
#include "samples.h"
#include "text.h"
#include "tinyml/pruning_report.h"

namespace tinyml::cli {
namespace {

constexpr const char* kFooter = R"(
Which layers can be pruned, and which hurt: every subgraph is pruned alone at several sparsities, and the outputs are compared
with those of the whole model (signal-to-noise ratio in dB; higher is less harm):
  tinyml sensitivity model.pt2 --calibration images.npy
  tinyml sensitivity model.pt2 --calibration images.npy --sparsity 0.25,0.5,0.75 --metric fpgm -o sensitivity.csv

A file ending in .csv gets comma-separated values. For a quality of your own (accuracy), in Python: pruner.sensitivity().)";

struct Options {
  std::string input, output, metric = "l2_norm";
  std::vector<std::string> calibration;
  std::vector<double> sparsities = {0.25, 0.5, 0.75};
  size_t limit = 8;
  bool heads = false;
};

void run(const Options& options, const Common& common) {
  Progress progress(common.quiet);
  const Graph graph = load_graph(options.input, progress);
  PruningConfig config;
  config.metric = options.metric;
  config.dependencies.whole_heads = options.heads;
  const DependencyGraph dependencies = analyze_dependencies(graph, config.dependencies);
  const std::vector<Sensitivity> found = scan_sensitivity(graph, dependencies, config, options.sparsities,
                                                          read_samples(graph, options.calibration, options.limit));
  progress.done(fmt::format("measured {} prunings of {} subgraphs", found.size(), dependencies.subgraphs.size()));
  const bool csv = options.output.size() > 4 && options.output.substr(options.output.size() - 4) == ".csv";
  std::vector<std::vector<std::string>> rows = {{"subgraph", "sparsity", "SNR dB", "MACs that remain"}};
  std::string text = "subgraph,sparsity,snr_db,macs_ratio\n";
  for (const Sensitivity& entry : found) {
    text += fmt::format("{},{},{:.3f},{:.5f}\n", entry.subgraph, entry.sparsity, entry.quality, entry.macs);
    rows.push_back({entry.subgraph, fmt::format("{:g}", entry.sparsity),
                    std::isinf(entry.quality) ? "exact" : fmt::format("{:.1f}", entry.quality),
                    fmt::format("{:.1f} %", 100.0 * entry.macs)});
  }
  print_or_write(options.output, csv ? text : table(rows, {1, 2, 3}));
}

}  // namespace

void add_sensitivity(CLI::App& app, const Common& common) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("sensitivity", "Measure how much each layer's pruning changes the outputs");
  command->footer(kFooter);
  command->add_option("model", options->input, "The model, a .pt2 archive")->required();
  command->add_option("--calibration", options->calibration, "Example inputs, a .npy file for each input of the model")
      ->required()
      ->allow_extra_args(false)
      ->check(CLI::ExistingFile);
  command->add_option("--sparsity", options->sparsities, "Shares of channels to remove")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(CLI::Range(0.0, 0.999));
  command->add_option("--metric", options->metric, "Importance of a channel, default l2_norm")
      ->check(CLI::IsMember({"random", "l1_norm", "l2_norm", "fpgm", "bn_scale", "lamp"}));
  command->add_flag("--heads", options->heads, "Whole heads of attention, not indices of each head");
  command->add_option("--limit", options->limit, "Use so many runs at most, default 8; 0: all");
  command->add_option("-o,--output", options->output, "File to write instead of stdout");
  command->callback([options, &common] { run(*options, common); });
}

}  // namespace tinyml::cli
