#include "tinyml/profile.h"

#include <fmt/format.h>
#include <sys/utsname.h>

#include <memory>

#include "commands.h"
#include "latency_options.h"
#include "load.h"
#include "text.h"

namespace tinyml::cli {
namespace {

constexpr const char* kFooter = R"(
Measures every operator of the model in LiteRT on this machine, one core, in the shapes that pruning gives it:
  tinyml profile model.pt2 -o table.json
  tinyml prune model.pt2 --target latency=0.5 --latency-table table.json -o pruned.pt2

Run it on the device to prune for that device elsewhere.)";

struct Options {
  std::string input, output, litert, device;
  std::vector<double> widths = {1.0, 0.75, 0.5, 0.25, 0.125};
  int rounds = 8;
  int64_t multiple = 1;
  bool heads = false;
};

std::string machine() {
  utsname name{};
  return uname(&name) == 0 ? fmt::format("{} {}, LiteRT, one core", name.sysname, name.machine) : "LiteRT, one core";
}

void run(const Options& options, const Common& common) {
  require_suffix("--output", options.output, {".json"});
  Progress progress(common.quiet);
  const Graph graph = load_graph(options.input, progress);
  ProfileOptions wanted;
  wanted.widths = options.widths;
  wanted.rounds = options.rounds;
  wanted.multiple = options.multiple;
  wanted.dependencies.whole_heads = options.heads;
  LatencyTable table = profile(graph, litert_measure(options.litert), wanted);
  table.device = options.device.empty() ? machine() : options.device;
  progress.done(fmt::format("measured {} operators", table.size()));
  write_latency_table(table, options.output);
  progress.done(fmt::format("wrote {}: the model takes {:.3f} ms by it", options.output, 1e3 * table.estimate(graph)));
}

}  // namespace

void add_profile(CLI::App& app, const Common& common) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      app.add_subcommand("profile", "Measure a table of operators' latencies, for pruning to a latency");
  command->footer(kFooter);
  command->add_option("model", options->input, "The model, a .pt2 archive")->required();
  command->add_option("-o,--output", options->output, "The .json file to write")->required();
  command->add_option("--widths", options->widths, "Shares of the channels to measure at")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(CLI::Range(0.001, 1.0));
  command->add_option("--rounds", options->rounds, "Models with a random width for each layer, besides those with one")
      ->check(CLI::Range(0, 10000))
      ->capture_default_str();
  command->add_option("--multiple", options->multiple, "Keep multiples of so many channels")
      ->check(CLI::PositiveNumber);
  command->add_flag("--heads", options->heads, "Whole heads of attention, not indices of each head");
  command->add_option("--device", options->device, "A name for the machine, for the file");
  command
      ->add_option("--litert", options->litert, "Path of libLiteRt.so; default: $TINYML_LITERT, else where it is found")
      ->check(CLI::ExistingFile);
  command->callback([options, &common] { run(*options, common); });
}

}  // namespace tinyml::cli
