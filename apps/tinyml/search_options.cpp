#include "search_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <csignal>

#include "text.h"

namespace tinyml::cli {
namespace {

volatile std::sig_atomic_t is_interrupted = 0;  // set by a signal, which has no other way to say so

// Takes SIGINT for the time of a search.
class InterruptGuard {
 public:
  InterruptGuard() : before_(std::signal(SIGINT, [](int) { is_interrupted = 1; })) { is_interrupted = 0; }
  ~InterruptGuard() { std::signal(SIGINT, before_); }
  InterruptGuard(const InterruptGuard&) = delete;
  InterruptGuard& operator=(const InterruptGuard&) = delete;

 private:
  void (*before_)(int);
};

}  // namespace

void add_search_options(CLI::App& command, SearchOptions& options) {
  CLI::Option* search = command.add_option(
      "--search", options.target,
      "Choose the precision of each layer: snr=DB, latency=SHARE, latency=TIME or bit_operations=SHARE "
      "(shares of the float model's)");
  command
      .add_option("--precisions", options.precisions,
                  "What --search may choose beside int8: int16,float (default: both)")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(CLI::IsMember({"int8", "int16", "float"}))
      ->needs(search);
  command.add_option("--time-budget", options.seconds, "Seconds that --search may take")
      ->check(CLI::PositiveNumber)
      ->needs(search);
  command
      .add_option("--journal", options.journal,
                  "A .json file that keeps what --search measures, to go on from after a stop")
      ->needs(search);
  command
      .add_option("--sensitivity-samples", options.sensitivity_samples,
                  "Runs that the sensitivity of each layer is measured on, default 8")
      ->check(CLI::PositiveNumber)
      ->needs(search);
  add_latency_options(command, options.latency);
}

std::string run_search(const SearchOptions& options, const Graph& graph, const QuantizationScheme& scheme,
                       const std::vector<std::vector<Tensor>>& samples, Progress& progress) {
  PrecisionSearchOptions search;
  const std::string target = read_search_target(options.target, search);
  if (target == "quality") {
    throw Error("a quality of your own needs Python", "tinyml.MixedPrecisionSearch(..., evaluate=...); here: snr=DB");
  }
  const auto allows = [&](const char* name) {
    return std::find(options.precisions.begin(), options.precisions.end(), name) != options.precisions.end();
  };
  search.allow_int16 = allows("int16");
  search.allow_float = allows("float");
  if (options.seconds > 0.0) search.seconds = options.seconds;
  search.journal = options.journal;
  search.sensitivity_samples = options.sensitivity_samples;
  if (target == "latency" || !options.latency.table.empty()) search.cost = latency_of(options.latency, "");
  std::string phase;
  search.on_progress = [&](const SearchProgress& step) {
    if (step.phase != phase) progress.done(fmt::format("search: {}", phase = step.phase));
    return is_interrupted == 0;
  };
  const InterruptGuard guard;
  const PrecisionSearchResult result = search_precisions(graph, scheme, samples, search);
  progress.done(fmt::format("search: {} assignments measured", result.measured.size()));
  print_or_write("", to_string(result) + "\n");
  return result.text;
}

}  // namespace tinyml::cli
