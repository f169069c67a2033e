#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "tinyml/prune.h"

namespace tinyml {

/// One stretch of training. Positions are shares of the whole training, in [0, 1], so that a learning-rate schedule can
/// run over all stretches.
struct TrainingSegment {
  int index = 0;           ///< 0, 1, ... in one run.
  double begin = 0.0;      ///< Where it starts.
  double end = 1.0;        ///< Where it ends.
  bool final = false;      ///< No cut follows: let the learning rate fall.
  bool candidate = false;  ///< A short finetune of one of several candidates (NetAdapt).
};

/// What a pruner drives: a model that somebody else trains. In Python it is the user's module; in C++ whatever owns a
/// Graph. Functions that a pruner does not use may be empty.
struct PruningHost {
  /// The model with its present weights.
  std::function<Graph()> graph;
  /// Cuts the model; the plan is proved already and fits graph().
  std::function<void(const PruningPlan&)> cut;
  /// Takes residual branches of these names out of the model (tinyml/branches.h).
  std::function<void(const std::vector<std::string>&)> remove_branches;
  /// Trains the model for a stretch.
  std::function<void(const TrainingSegment&)> train;
  /// Quality on held-out data; larger is better.
  std::function<double()> evaluate;
  /// Importance by UnitId of analyze_dependencies(graph()), measured while training; empty: the config's metric on the
  /// weights counts.
  std::function<std::vector<double>()> importance;
  /// Adds rho * (weight - anchor) to the gradients from now on; an empty map ends it.
  std::function<void(const std::map<std::string, Tensor>& anchors, double rho)> penalize;
  /// The anchors in force.
  std::function<std::map<std::string, Tensor>()> anchors;
  /// A copy of the model that can be cut, trained and evaluated on its own.
  std::function<PruningHost()> fork;
  /// Writes weights, measured importance and penalties to a file, and reads them into a model of the same structure.
  std::function<void(const std::string&path)> save, load;
};

/// Where a run is written down, so that it goes on after a kill: a directory with journal.json and one checkpoint.
/// Empty: nowhere.
using JournalPath = std::string;

struct GradualConfig {
  PruningConfig pruning;       ///< Its target, metric, scope, multiples and exclusions.
  int steps = 6;               ///< Number of cuts.
  double pruning_share = 0.4;  ///< Share of the training in which the cuts happen.
  /// Residual branches go first, largest first, while the target would otherwise need layers narrower than this share
  /// of their width; 0: channels only.
  double min_width_ratio = 0.0;
};
/// Cuts in steps on the cubic schedule of Zhu and Gupta 2017, "To prune, or not to prune": after step k of N the share
/// t + (1 - t) (1 - k/N)^3 of the FLOPs (parameters, latency) remains. Trains before every cut and after the last.
/// Layers are scaled uniformly from their first widths. With `min_width_ratio`, depth goes before width: at high ratios
/// layers of a few channels lose more than missing blocks. Throws Error without a target, and as plan_pruning and
/// verify_plan do.
GradualConfig parse_gradual_config(const std::string& yaml);  ///< As parse_pruning_config, with the keys above as well.
void run_gradual(const GradualConfig& config, const PruningHost& host, const JournalPath& journal = "");

struct AdmmConfig {
  PruningConfig pruning;
  int iterations = 8;       ///< Stretches of training, each followed by a projection and a dual update.
  double rho = 1e-3;        ///< Weight of the penalty.
  double admm_share = 0.5;  ///< Share of the training before the cut.
};
/// Alternating direction method of multipliers (Zhang et al. 2018; structured: Li et al. 2019): trains with the
/// augmented Lagrangian rho/2 |W - Z + U|^2, where Z is the projection of W + U onto models with the removed channels
/// zero and U the scaled dual, then cuts what the last projection removes and finetunes.
AdmmConfig parse_admm_config(const std::string& yaml);
void run_admm(const AdmmConfig& config, const PruningHost& host, const JournalPath& journal = "");

struct NetAdaptConfig {
  PruningConfig pruning;          ///< Its target is the budget: FLOPs, parameters or latency.
  double first_reduction = 0.05;  ///< Share of the budgeted amount that the first step removes.
  double decay = 0.98;            ///< Each step removes this times what the one before did.
  double short_share = 0.02;      ///< Share of the training for each candidate.
  int max_steps = 200;
};
/// NetAdapt (Yang et al. 2018): in each step every subgraph offers one candidate that alone removes the step's FLOPs;
/// the one that is best after a short finetune stays. A final finetune follows.
NetAdaptConfig parse_netadapt_config(const std::string& yaml);
void run_netadapt(const NetAdaptConfig& config, const PruningHost& host, const JournalPath& journal = "");

}  // namespace tinyml
