#include <fmt/format.h>

#include <memory>

#include "commands.h"
#include "latency_options.h"
#include "load.h"
#include "samples.h"
#include "text.h"
#include "tinyml/archive.h"
#include "tinyml/atomic_file.h"
#include "tinyml/branches.h"
#include "tinyml/pruning_report.h"
#include "tinyml/recover.h"

namespace tinyml::cli {
namespace {

constexpr const char* kFooter = R"(
Removes whole channels, so that the pruned model is smaller and faster everywhere. Before anything is written it is proved
that the pruned model computes what the original computes with the removed channels set to zero:
  tinyml prune model.pt2 --sparsity 0.5 -o pruned.pt2        half of each layer's channels
  tinyml prune model.pt2 --target flops=0.4 -o pruned.pt2    as many as leave 40 % of the multiply-accumulates
  tinyml prune model.pt2 --target latency=0.5 -o pruned.pt2  measured in LiteRT on this machine; also latency=3.5ms
  tinyml prune model.pt2 --target params=0.3 --scope global -o pruned.pt2    the least important channels of all layers
  tinyml prune model.pt2 -c pruning.yaml -o pruned.pt2       sparsity by layer, exclusions, multiples
  tinyml prune model.pt2 --target flops=0.5 --multiple 8 -o pruned.pt2 --report report.html
  tinyml prune model.pt2 --target flops=0.5 --calibration images.npz --reconstruct -o pruned.pt2
  tinyml prune model.pt2 --sparsity 0.5 -o pruned.pt2 --save-plan plan.json
  tinyml prune other.pt2 --plan plan.json -o other_pruned.pt2    the same cut of another checkpoint

Then finetune it: model = torch.export.load("pruned.pt2").module(). Options given here override the configuration file.)";

struct Options {
  std::string input, output, config, plan, save_plan, report;
  std::optional<double> sparsity;
  std::vector<std::string> targets, calibration;
  std::optional<std::string> metric, scope;
  std::optional<int64_t> multiple;
  std::optional<uint64_t> seed;
  std::vector<std::string> exclude;
  size_t limit = 0;
  bool heads = false, skip_proof = false, reconstruct = false, recalibrate = false;
  LatencyOptions latency;
};

// "flops=0.4", "params=0.3", "latency=0.5", "latency=3.5ms", as a configuration file has them.
void read_target(const std::string& text, PruningConfig& config) {
  const size_t equals = text.find('=');
  const bool has_value = equals != std::string::npos && text.find_first_of("{},:\n") == std::string::npos;
  try {
    if (!has_value) throw Error("");
    const PruningConfig target =
        parse_pruning_config(fmt::format("target: {{{}: {}}}", text.substr(0, equals), text.substr(equals + 1)));
    if (target.target_flops) config.target_flops = target.target_flops;
    if (target.target_parameters) config.target_parameters = target.target_parameters;
    if (target.target_latency) config.target_latency = target.target_latency, config.target_seconds.reset();
    if (target.target_seconds) config.target_seconds = target.target_seconds, config.target_latency.reset();
  } catch (const Error&) {
    throw CLI::ValidationError("--target", "'" + text +
                                               "' is not flops=SHARE, params=SHARE, latency=SHARE with a share in "
                                               "(0, 1], or latency=TIME such as 3.5ms");
  }
}

PruningConfig merge_config(const Options& options) {
  PruningConfig config = options.config.empty() ? PruningConfig{} : read_pruning_config(options.config);
  if (options.sparsity) config.sparsity = *options.sparsity;
  for (const std::string& target : options.targets) read_target(target, config);
  if (options.scope) config.scope = *options.scope;
  if (options.metric) config.metric = *options.metric;
  const bool has_latency = config.target_latency || config.target_seconds;
  config.choose_multiple = has_latency && !options.multiple && config.multiple == 1;
  if (options.multiple) config.multiple = *options.multiple;
  if (options.seed) config.seed = *options.seed;
  if (options.heads) config.dependencies.whole_heads = true;
  config.exclude_ops.insert(config.exclude_ops.end(), options.exclude.begin(), options.exclude.end());
  return config;
}

void run(const Options& options, const Common& common) {
  require_suffix("--output", options.output, {".pt2"});
  if (!options.save_plan.empty()) require_suffix("--save-plan", options.save_plan, {".json"});
  if (!options.report.empty()) require_suffix("--report", options.report, {".html", ".htm"});
  Progress progress(common.quiet);
  const Graph loaded = load_graph(options.input, progress);
  const std::optional<PruningPlan> given =
      options.plan.empty() ? std::nullopt : std::optional(read_pruning_plan(options.plan));
  const Graph graph = given ? remove_branches(loaded, given->removed_branches) : loaded;
  PruningConfig config = given ? PruningConfig{} : merge_config(options);
  const DependencyGraph dependencies = analyze_dependencies(graph, given ? given->dependencies : config.dependencies);
  ImportanceData data;
  const bool wants_latency =
      config.target_latency || config.target_seconds || !config.latency_table.empty() || !options.latency.table.empty();
  if (wants_latency) config.latency = latency_of(options.latency, config.latency_table);
  if (!options.calibration.empty()) data.batches = read_samples(graph, options.calibration, options.limit);
  const PruningPlan plan = given ? *given : plan_pruning(graph, dependencies, config, data);
  if (!plan.removed_branches.empty()) {
    progress.done(fmt::format("removed {} residual branches", plan.removed_branches.size()));
  }
  progress.done(fmt::format("planned: {} cuts in {} subgraphs", plan.cuts.size(), dependencies.subgraphs.size()));
  if (plan.empty()) {
    throw Error("nothing can be pruned with this configuration",
                fmt::format("'tinyml deps {}' shows what can be pruned, and what cannot and why", options.input));
  }
  if (!options.skip_proof) {
    verify_plan(graph, dependencies, plan);
    progress.done("proved: the pruned model equals the masked original");
  }
  Graph pruned = apply_plan(graph, dependencies, plan);
  if (options.reconstruct) {
    Reconstruction fitted = reconstruct_layers(graph, dependencies, plan, pruned, data.batches);
    pruned = std::move(fitted.graph);
    progress.done(fmt::format("fitted {} layers to the original's outputs", fitted.layers.size()));
  }
  if (options.recalibrate) {
    pruned = recalibrate_batch_norm(pruned, data.batches);
    progress.done("measured the statistics of batch norms anew");
  }
  if (!options.save_plan.empty()) write_pruning_plan(plan, options.save_plan);
  write_pt2(pruned, options.output);
  progress.done(fmt::format("wrote {}", options.output));
  const DependencyGraph all =
      plan.removed_branches.empty() ? dependencies : analyze_dependencies(loaded, plan.dependencies);
  const PruningReport report = describe_pruning(loaded, all, plan, pruned, config.latency);
  if (!options.report.empty()) {
    write_file(options.report, to_html(report, "Pruning of " + options.input));
    progress.done(fmt::format("wrote {}", options.report));
  }
  print_or_write("", to_string(report));
}

}  // namespace

void add_prune(CLI::App& app, const Common& common) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      app.add_subcommand("prune", "Remove channels; the result is a smaller model that trains as before");
  command->footer(kFooter);
  command->add_option("model", options->input, "The model, a .pt2 archive")->required();
  command->add_option("-o,--output", options->output, "The .pt2 archive to write")->required();
  CLI::Option* config = command->add_option("-c,--config", options->config, "YAML or JSON file; see docs/pruning.md");
  CLI::Option* sparsity =
      command->add_option("--sparsity", options->sparsity, "Share of each layer's channels to remove, default 0.5")
          ->check(CLI::Range(0.0, 1.0));
  CLI::Option* target =
      command
          ->add_option("--target", options->targets,
                       "flops=SHARE, params=SHARE, latency=SHARE or latency=TIME that may remain; each may be given")
          ->allow_extra_args(false)
          ->excludes(sparsity);
  command->add_option("--metric", options->metric, "Importance of a channel, default l2_norm")
      ->check(CLI::IsMember({"random", "l1_norm", "l2_norm", "fpgm", "bn_scale", "lamp", "hrank", "apoz"}));
  command->add_option("--scope", options->scope, "Rank channels layer by layer (uniform, default) or all together")
      ->check(CLI::IsMember({"uniform", "global"}));
  CLI::Option* calibration =
      command
          ->add_option(
              "--calibration", options->calibration,
              "Example inputs for hrank, apoz, --reconstruct and --recalibrate: .npy files, one an input, or one .npz")
          ->allow_extra_args(false)
          ->check(CLI::ExistingFile);
  command->add_option("--limit", options->limit, "Use so many runs of them at most")->needs(calibration);
  command
      ->add_option("--multiple", options->multiple,
                   "Keep multiples of so many channels; with a latency target the best of 1, 8 and 16")
      ->check(CLI::PositiveNumber);
  command->add_option("--exclude", options->exclude, "Modules whose outputs stay whole")
      ->delimiter(',')
      ->allow_extra_args(false);
  command->add_option("--seed", options->seed, "For the random metric");
  CLI::Option* heads =
      command->add_flag("--heads", options->heads, "Whole heads of attention, not indices of each head");
  command->add_option("--plan", options->plan, "Apply a saved plan instead of making one")
      ->excludes(config)
      ->excludes(sparsity)
      ->excludes(target)
      ->excludes(heads);
  command->add_option("--save-plan", options->save_plan, "Also write the plan, a .json file");
  command->add_option("--report", options->report, "Also write a report, an .html file");
  command
      ->add_flag("--reconstruct", options->reconstruct,
                 "Fit the layers that lost inputs to the original's outputs on the calibration data (least squares)")
      ->needs(calibration);
  command
      ->add_flag("--recalibrate", options->recalibrate,
                 "Measure the statistics of batch norms anew on the calibration data")
      ->needs(calibration);
  add_latency_options(*command, options->latency);
  command->add_flag("--skip-proof", options->skip_proof, "Do not prove the plan first (it takes time on large models)");
  command->callback([options, &common] { run(*options, common); });
}

}  // namespace tinyml::cli
