#pragma once

#include <functional>
#include <limits>
#include <vector>

#include "prune/cells.h"
#include "tinyml/prune.h"

namespace tinyml::prune {

/// How many channels each layer keeps for a sparsity, and which: those with the largest scores that satisfy every
/// constraint.
class Allocation {
 public:
  Allocation(const Graph& graph, const DependencyGraph& dependencies, const PruningConfig& config,
             std::vector<double> scores);

  /// kept[unit]. `sparsity` is for layers that the config gives none of their own: of each of them, or of all of them
  /// together with the global scope.
  std::vector<bool> choose(double sparsity) const { return realize(steps_for(sparsity)); }

  /// How much each part keeps, in steps of its own; and kept[unit] for it.
  std::vector<int64_t> steps_for(double sparsity) const;
  std::vector<bool> realize(std::vector<int64_t> steps) const;
  /// Widens parts step by step, relatively narrowest first, as long as `fits` allows, trying `most_tries` at most.
  std::vector<bool> fill(std::vector<int64_t> steps, const std::function<bool(const std::vector<bool>&)>& fits,
                         int most_tries = std::numeric_limits<int>::max()) const;

 private:
  /// Cells that are pruned together: one alone, or all constrained ones of a subgraph.
  struct Part {
    std::vector<Cell> cells;  ///< Units by descending score.
    int64_t steps = 1;        ///< Shares k/steps of every cell may be kept.
    int64_t reference = 1;    ///< Steps that sparsities count from, `steps` or more.
    double own_sparsity = -1.0;
    std::vector<double> step_scores;  ///< Mean score of what each step adds, descending.
  };
  struct RankedStep {
    double score;
    double channels;
  };

  double sparsity_of(const DependencyGraph& dependencies, const std::vector<Cell>& cells) const;
  void rank_steps(const std::vector<double>& scores);
  /// The score below which a step goes, for a share of all channels.
  double threshold(double sparsity) const;
  /// Share of a part's steps that the sparsity removes.
  double share_removed(const Part& part, double sparsity, double threshold) const;
  void set_reference(const DependencyGraph& dependencies, Part& part) const;
  int64_t steps_kept(const Part& part, double sparsity) const;
  /// Steps that together make a multiple of the channels wanted.
  int64_t steps_of_multiple(const Part& part) const;
  void keep(const Part& part, int64_t steps, std::vector<bool>& kept) const;

  const DependencyGraph& dependencies_;
  const PruningConfig& config_;
  std::string last_fc_;
  std::vector<Part> parts_;
  std::vector<size_t> part_of_unit_;
  std::vector<RankedStep> ranking_;  ///< Global scope: every step of every part, by ascending score.
};

}  // namespace tinyml::prune
