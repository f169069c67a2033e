#include "prune/pruners/journal.h"

#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tinyml/atomic_file.h"

namespace tinyml::prune {
namespace {

constexpr const char* kFormat = "tinyml.pruning_journal";

}  // namespace

std::string fingerprint(const PruningConfig& config) {
  std::string text = fmt::format("{} {} {} {} {} {} {} {} {} {} {} {}", config.metric, config.normalize,
                                 config.group_reduction, config.scope, config.max_sparsity, config.sparsity,
                                 config.target_flops.value_or(-1.0), config.target_parameters.value_or(-1.0),
                                 config.multiple, config.min_channels, config.skip_last_fc, config.seed);
  if (config.target_latency || config.target_seconds) {
    text += fmt::format(" latency {} {} {}", config.target_latency.value_or(-1.0), config.target_seconds.value_or(-1.0),
                        config.latency_table);
  }
  for (const auto& [name, sparsity] : config.layer_sparsity) text += fmt::format(" {}={}", name, sparsity);
  for (const std::string& name : config.exclude_ops) text += " -" + name;
  if (config.dependencies.whole_heads) text += " heads";
  return text;
}

Journal::Journal(JournalPath directory, std::string run, const PruningHost& host)
    : directory_(std::move(directory)), run_(std::move(run)), host_(host) {
  if (directory_.empty()) return;
  std::filesystem::create_directories(directory_);
  const std::string path = directory_ + "/journal.json";
  std::ifstream file(path, std::ios::binary);
  if (!file) return;
  try {
    const nlohmann::json document = nlohmann::json::parse(file);
    if (document.at("format") != kFormat) throw Error(fmt::format("'{}' is no pruning journal", path));
    if (document.at("run") != run_) {
      throw Error(fmt::format("'{}' belongs to a run with another pruner or configuration", path),
                  "give this run a directory of its own, or delete that one");
    }
    for (const nlohmann::json& event : document.at("events")) {
      events_.push_back({event.at("kind").get<std::string>(), event.at("text").get<std::string>()});
    }
  } catch (const nlohmann::json::exception& error) {
    throw Error(fmt::format("cannot read the pruning journal '{}': {}", path, error.what()),
                "delete it to start the run anew");
  }
  known_ = events_.size();
}

std::string Journal::checkpoint(size_t count) const { return fmt::format("{}/checkpoint_{}", directory_, count); }

const Journal::Event* Journal::replay(const std::string& kind) {
  if (next_ >= known_) return nullptr;
  const Event& event = events_[next_++];
  if (event.kind != kind) {
    throw Error(
        fmt::format("the pruning journal in '{}' has '{}' where this run comes to '{}'", directory_, event.kind, kind),
        "delete the directory to start the run anew");
  }
  return &event;
}

void Journal::record(std::string kind, std::string text) {
  if (directory_.empty()) return;
  if (!host_.save || !host_.load) throw Error("a run with a journal needs a host that can save and load weights");
  events_.push_back({std::move(kind), std::move(text)});
  ++next_;
  host_.save(checkpoint(events_.size()));
  write();
  std::error_code ignored;
  if (events_.size() > 1) std::filesystem::remove(checkpoint(events_.size() - 1), ignored);
}

void Journal::write() const {
  nlohmann::ordered_json document = {{"format", kFormat}, {"run", run_}, {"events", nlohmann::json::array()}};
  for (const Event& event : events_) document["events"].push_back({{"kind", event.kind}, {"text", event.text}});
  write_file(directory_ + "/journal.json", document.dump(1));
}

void Journal::train(const TrainingSegment& segment) {
  if (replay("train") == nullptr) {
    host_.train(segment);
    record("train", std::to_string(segment.index));
  } else if (next_ == known_) {
    host_.load(checkpoint(known_));
  }
}

void Journal::cut(const DependencyOptions& options,
                  const std::function<PruningPlan(const Graph&, const DependencyGraph&)>& make) {
  if (const Event* event = replay("cut")) {
    host_.cut(parse_pruning_plan(event->text));
    if (next_ == known_) host_.load(checkpoint(known_));
    return;
  }
  const Graph graph = host_.graph();
  const DependencyGraph dependencies = analyze_dependencies(graph, options);
  const PruningPlan plan = make(graph, dependencies);
  if (!plan.cuts.empty()) {
    verify_plan(graph, dependencies, plan);
    host_.cut(plan);
  }
  record("cut", to_json(plan));
}

PruningPlan Journal::project(const std::function<PruningPlan()>& make) {
  if (const Event* event = replay("project")) {
    if (next_ == known_) host_.load(checkpoint(known_));
    return parse_pruning_plan(event->text);
  }
  PruningPlan plan = make();
  record("project", to_json(plan));
  return plan;
}

double Journal::number(const std::function<double()>& make) {
  if (const Event* event = replay("number")) {
    if (next_ == known_) host_.load(checkpoint(known_));
    return nlohmann::json::parse(event->text).get<double>();
  }
  const double value = make();
  record("number", nlohmann::json(value).dump());
  return value;
}

void Journal::remove_branches(const std::function<std::vector<std::string>(const Graph&)>& make) {
  if (const Event* event = replay("branches")) {
    const auto names = nlohmann::json::parse(event->text).get<std::vector<std::string>>();
    if (!names.empty()) host_.remove_branches(names);
    if (next_ == known_) host_.load(checkpoint(known_));
    return;
  }
  const std::vector<std::string> names = make(host_.graph());
  if (!names.empty()) host_.remove_branches(names);
  record("branches", nlohmann::json(names).dump());
}

void Journal::adopt(const std::function<PruningPlan(const std::string& checkpoint)>& choose) {
  if (const Event* event = replay("adopt")) {
    host_.cut(parse_pruning_plan(event->text));
    if (next_ == known_) host_.load(checkpoint(known_));
    return;
  }
  const std::filesystem::path file =
      directory_.empty() ? std::filesystem::temp_directory_path() / fmt::format("tinyml_candidate_{}", getpid())
                         : std::filesystem::path(directory_) / "candidate";  // A killed run's is written over.
  const PruningPlan plan = choose(file.string());
  host_.cut(plan);
  host_.load(file.string());
  std::error_code ignored;
  std::filesystem::remove(file, ignored);
  record("adopt", to_json(plan));
}

}  // namespace tinyml::prune
