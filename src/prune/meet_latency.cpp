#include "prune/meet_latency.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <functional>
#include <string>

namespace tinyml::prune {
namespace {

constexpr double kTolerance = 0.05;
constexpr double kNear = 0.03;      // What a search aims at: a second measurement differs by one or two percents.
constexpr double kMost = 0.999999;  // Of each layer's channels.
constexpr int kSteps = 20;
constexpr int kSearches = 3;

struct Candidate {
  double sparsity = 0.0;
  std::vector<bool> kept;
  double seconds = 0.0;
};

/// The better of two, where one counts at all.
bool is_better(const Candidate& a, const Candidate& b, double limit) {
  const bool a_fits = a.seconds <= limit, b_fits = b.seconds <= limit;
  if (a_fits && b_fits) return a.seconds > b.seconds;
  if (!a_fits && !b_fits) return a.seconds < b.seconds;
  const bool is_near = (a_fits ? a : b).seconds >= (1.0 - kNear) * limit;
  return is_near ? a_fits : !a_fits;  // One above but within the tolerance is nearer than one far below.
}

using Measure = std::function<Candidate(double sparsity, std::vector<bool> kept)>;

Candidate search(const Measure& measure, const Allocation& allocation, double least, double limit) {
  Candidate wide = measure(least, allocation.choose(least));
  if (wide.seconds <= limit) return wide;
  Candidate narrow = measure(kMost, allocation.choose(kMost));
  if (narrow.seconds > (1.0 + kTolerance) * limit) {
    throw Error(fmt::format("the latency target of {:.3f} ms cannot be reached: {:.3f} ms remain with everything "
                            "removed that may be",
                            1e3 * limit, 1e3 * narrow.seconds),
                "raise the target, or exclude fewer layers");
  }
  Candidate best = narrow;
  const auto consider = [&](const Candidate& candidate) {
    if (candidate.seconds <= (1.0 + kNear) * limit && is_better(candidate, best, limit)) best = candidate;
  };
  consider(wide);
  for (int step = 0; step < kSteps; ++step) {
    if (best.seconds <= limit && best.seconds >= (1.0 - kNear) * limit) break;
    const double middle = 0.5 * (wide.sparsity + narrow.sparsity);
    std::vector<bool> kept = allocation.choose(middle);
    // Widths are whole numbers: a sparsity between may choose what is measured already.
    if (kept == wide.kept) {
      wide.sparsity = middle;
    } else if (kept == narrow.kept) {
      narrow.sparsity = middle;
    } else {
      Candidate candidate = measure(middle, std::move(kept));
      consider(candidate);
      (candidate.seconds <= limit ? narrow : wide) = std::move(candidate);
    }
  }
  if (best.seconds >= (1.0 - kNear) * limit) return best;
  // Where a common sparsity jumps over the limit (coarse multiples), single layers come nearer.
  best.kept = allocation.fill(allocation.steps_for(best.sparsity), [&](const std::vector<bool>& kept) {
    if (best.seconds >= (1.0 - kNear) * limit) return false;
    Candidate wider = measure(best.sparsity, kept);
    if (wider.seconds > limit) return false;
    best = std::move(wider);
    return true;
  });
  return best;
}

}  // namespace

double latency_limit(const Graph& graph, const PruningConfig& config) {
  if (!config.latency) {
    throw Error("a latency target needs something that tells the latency",
                "give a latency_table made by 'tinyml profile', or measure in LiteRT (docs/pruning.md)");
  }
  return config.target_seconds ? *config.target_seconds : *config.target_latency * config.latency(graph);
}

std::vector<bool> meet_latency(const Graph& graph, const DependencyGraph& dependencies, const PruningConfig& config,
                               const Allocation& allocation, double least) {
  const Measure measure = [&](double sparsity, std::vector<bool> kept) {
    const PruningPlan plan = plan_from_units(dependencies, kept, config.metric);
    const double seconds = config.latency(apply_plan(graph, dependencies, plan));
    return Candidate{sparsity, std::move(kept), seconds};
  };
  std::vector<std::string> tries;
  for (int attempt = 0; attempt < kSearches; ++attempt) {
    const double limit = latency_limit(graph, config);
    Candidate found = search(measure, allocation, least, limit);
    const Candidate again = measure(found.sparsity, found.kept);
    // A share is of what the original takes now.
    const double share = again.seconds / latency_limit(graph, config);
    const double least_share = std::min(1.0 - kTolerance, found.seconds / limit - kNear);
    const bool is_last = attempt + 1 == kSearches;
    if (share <= 1.0 + kTolerance && (share >= least_share || is_last)) return std::move(found.kept);
    tries.push_back(fmt::format("{:.3f} ms, then {:.3f} ms, of {:.3f} ms allowed", 1e3 * found.seconds,
                                1e3 * again.seconds, 1e3 * limit));
  }
  throw Error(fmt::format("the latency target cannot be met: the same model took {}", fmt::join(tries, "; ")),
              "times vary too much on this machine now: wait until it has less to do, give a function that measures "
              "longer, or use a latency table (tinyml profile)");
}

}  // namespace tinyml::prune
