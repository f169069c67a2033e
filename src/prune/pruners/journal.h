#pragma once

#include <functional>
#include <string>
#include <vector>

#include "tinyml/pruners.h"

namespace tinyml::prune {

/// A run as a sequence of events, each done once: on a second run with the same journal, events that are written down
/// are repeated without training, and the weights come from the checkpoint of the last one.
class Journal {
 public:
  /// `run` names pruner and configuration; a journal of another run is refused with an Error.
  Journal(JournalPath directory, std::string run, const PruningHost& host);

  void train(const TrainingSegment& segment);
  /// Proves and makes the cut. `make` is called only where the journal has none.
  void cut(const DependencyOptions& options,
           const std::function<PruningPlan(const Graph&, const DependencyGraph&)>& make);
  /// A plan that is not cut yet. `make` also does what belongs to it (penalties), so that the checkpoint holds it.
  PruningPlan project(const std::function<PruningPlan()>& make);
  /// Whether the last event took the weights from the checkpoint: what a run keeps beside them must be restored.
  bool just_resumed() const { return known_ > 0 && next_ == known_ && events_.size() == known_; }
  void remove_branches(const std::function<std::vector<std::string>(const Graph&)>& make);
  /// A number that a second run must see again, such as a measured time.
  double number(const std::function<double()>& make);
  /// Runs `choose`, which leaves a plan and the weights behind it in a checkpoint file, then cuts and takes the
  /// weights.
  void adopt(const std::function<PruningPlan(const std::string& checkpoint)>& choose);

 private:
  struct Event {
    std::string kind;
    std::string text;  ///< A plan, or names of branches, as JSON.
  };
  /// The next event if it is written down already.
  const Event* replay(const std::string& kind);
  void record(std::string kind, std::string text);
  void write() const;
  std::string checkpoint(size_t count) const;

  std::string directory_, run_;
  const PruningHost& host_;
  std::vector<Event> events_;
  size_t known_ = 0;  ///< Events found in the file.
  size_t next_ = 0;
};

/// Text that identifies a pruning configuration.
std::string fingerprint(const PruningConfig& config);

}  // namespace tinyml::prune
