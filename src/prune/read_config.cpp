#include <fmt/format.h>
#include <fmt/ranges.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <variant>

#include "graph/parse_seconds.h"
#include "prune/suggest_remedy.h"
#include "tinyml/atomic_file.h"
#include "tinyml/pruners.h"

namespace tinyml {
namespace {

/// A number that a pruner's own configuration adds.
struct Extra {
  std::string key;
  std::variant<int*, double*> out;
  double low, high;  ///< Inclusive.
};

/// Reads one mapping, collecting every problem.
class ConfigReader {
 public:
  ConfigReader(PruningConfig& config, std::vector<Extra> extras) : config_(config), extras_(std::move(extras)) {}

  void read(const YAML::Node& root) {
    std::vector<std::string> keys = {"sparsity",     "metrics",  "metric",       "normalize",     "group_reduction",
                                     "scope",        "target",   "max_sparsity", "min_channels",  "seed",
                                     "skip_last_fc", "multiple", "exclude_ops",  "latency_table", "attention"};
    for (const Extra& extra : extras_) keys.push_back(extra.key);
    if (root.IsNull() || !root.IsDefined()) return;
    if (!root.IsMap()) return problem("a pruning config is a mapping of keys to values", "");
    for (const auto& entry : root) {
      const auto key = entry.first.as<std::string>();
      const YAML::Node& value = entry.second;
      if (key == "sparsity")
        read_sparsity(value);
      else if (key == "metrics" || key == "metric")
        choice("metrics", value, config_.metric, pruning_metrics());
      else if (key == "normalize")
        choice(key, value, config_.normalize, {"none", "mean", "max", "standard", "lamp"});
      else if (key == "group_reduction")
        choice(key, value, config_.group_reduction, {"sum", "mean", "max"});
      else if (key == "scope")
        choice(key, value, config_.scope, {"uniform", "global"});
      else if (key == "max_sparsity")
        scalar(
            key, value, config_.max_sparsity, [](double x) { return x > 0.0 && x <= 1.0; }, "a number in (0, 1]");
      else if (key == "target")
        read_target(value);
      else if (key == "multiple")
        read_multiple(value);
      else if (key == "min_channels")
        scalar(
            key, value, config_.min_channels, [](int64_t x) { return x >= 1; }, "1 or more");
      else if (key == "skip_last_fc")
        scalar(
            key, value, config_.skip_last_fc, [](bool) { return true; }, "true or false");
      else if (key == "exclude_ops")
        read_names(value);
      else if (key == "latency_table")
        scalar(
            key, value, config_.latency_table, [](const std::string& path) { return !path.empty(); }, "a file's path");
      else if (key == "attention")
        read_attention(value);
      else if (key == "seed")
        scalar(
            key, value, config_.seed, [](uint64_t) { return true; }, "0 or more");
      else if (!read_extra(key, value))
        unknown(key, keys);
    }
    const bool has_latency = config_.target_latency || config_.target_seconds;
    if (config_.choose_multiple && !has_latency) {
      problem("'multiple: auto' measures what is fastest, so it needs a latency target", "give a number");
    }
    if (has_latency && !root["multiple"].IsDefined()) config_.choose_multiple = true;
  }

  void finish() {
    if (!problems_.empty()) throw Error("the pruning config is not valid", std::move(problems_));
  }

 private:
  void problem(std::string what, std::string remedy) {
    problems_.push_back({std::move(what), "", {}, std::move(remedy)});
  }
  void unknown(const std::string& key, const std::vector<std::string>& keys) {
    problem(fmt::format("unknown key '{}'", key),
            prune::suggest_remedy(key, keys, fmt::format("the keys are {}", fmt::join(keys, ", "))));
  }
  template <typename T, typename Valid>
  void scalar(const std::string& key, const YAML::Node& value, T& out, Valid valid, const char* range) {
    T read{};
    if (value.IsScalar() && YAML::convert<T>::decode(value, read) && valid(read)) {
      out = read;
    } else {
      problem(fmt::format("'{}' must be {}", key, range), "");
    }
  }
  void read_sparsity(const YAML::Node& value) {
    const auto valid = [](double x) { return x >= 0.0 && x < 1.0; };
    const char* range = "a number in [0, 1)";
    if (!value.IsMap()) return scalar("sparsity", value, config_.sparsity, valid, range);
    config_.sparsity = 0.0;
    for (const auto& entry : value) {
      const auto name = entry.first.as<std::string>();
      double& out = name == "default" ? config_.sparsity : config_.layer_sparsity[name];
      scalar("sparsity." + name, entry.second, out, valid, range);
    }
  }
  bool read_extra(const std::string& key, const YAML::Node& value) {
    const auto extra = std::find_if(extras_.begin(), extras_.end(), [&](const Extra& each) { return each.key == key; });
    if (extra == extras_.end()) return false;
    const std::string range = fmt::format("a number from {} to {}", extra->low, extra->high);
    std::visit(
        [&](auto* out) {
          scalar(
              key, value, *out,
              [&](auto x) { return static_cast<double>(x) >= extra->low && static_cast<double>(x) <= extra->high; },
              range.c_str());
        },
        extra->out);
    return true;
  }
  void choice(const std::string& key, const YAML::Node& value, std::string& out,
              const std::vector<std::string>& choices) {
    std::string name;
    scalar(
        key, value, name, [](const std::string&) { return true; }, "a name");
    if (std::find(choices.begin(), choices.end(), name) != choices.end()) {
      out = name;
    } else if (value.IsScalar()) {
      problem(fmt::format("'{}' does not know '{}'", key, name),
              prune::suggest_remedy(name, choices, fmt::format("it is one of {}", fmt::join(choices, ", "))));
    }
  }
  void read_attention(const YAML::Node& value) {
    std::string name = "head_dim";
    choice("attention", value, name, {"head_dim", "heads"});
    config_.dependencies.whole_heads = name == "heads";
  }
  void read_multiple(const YAML::Node& value) {
    config_.choose_multiple = value.IsScalar() && value.Scalar() == "auto";
    if (config_.choose_multiple) return;
    scalar(
        "multiple", value, config_.multiple, [](int64_t x) { return x >= 1; }, "1 or more, or auto");
  }
  void read_target(const YAML::Node& value) {
    if (!value.IsMap()) return problem("'target' must be a mapping such as {flops: 0.4}", "");
    for (const auto& entry : value) {
      const auto key = entry.first.as<std::string>();
      if (key != "flops" && key != "params" && key != "latency") {
        unknown("target." + key, {"target.flops", "target.params", "target.latency"});
        continue;
      }
      if (key == "latency" && entry.second.IsScalar()) {
        config_.target_seconds = parse_seconds(entry.second.as<std::string>());
        if (config_.target_seconds) continue;
      }
      double ratio = 0.0;
      scalar(
          "target." + key, entry.second, ratio, [](double x) { return x > 0.0 && x <= 1.0; },
          key == "latency" ? "a number in (0, 1], the share that remains, or a time such as 3.5 ms"
                           : "a number in (0, 1]: the share that remains");
      (key == "flops"    ? config_.target_flops
       : key == "params" ? config_.target_parameters
                         : config_.target_latency) = ratio;
    }
  }
  void read_names(const YAML::Node& value) {
    if (value.IsNull()) return;
    if (!value.IsSequence()) return problem("'exclude_ops' must be a list of module or parameter names", "");
    for (const YAML::Node& item : value) {
      if (item.IsScalar())
        config_.exclude_ops.push_back(item.as<std::string>());
      else
        problem("'exclude_ops' must be a list of module or parameter names", "");
    }
  }

  PruningConfig& config_;
  std::vector<Extra> extras_;
  std::vector<Diagnostic> problems_;
};

void read_yaml(const std::string& yaml, PruningConfig& config, std::vector<Extra> extras) {
  ConfigReader reader(config, std::move(extras));
  try {
    reader.read(YAML::Load(yaml));
  } catch (const YAML::Exception& error) {
    throw Error(fmt::format("the pruning config is not YAML: {}", error.what()));
  }
  reader.finish();
}

}  // namespace

PruningConfig parse_pruning_config(const std::string& yaml) {
  PruningConfig config;
  read_yaml(yaml, config, {});
  return config;
}

GradualConfig parse_gradual_config(const std::string& yaml) {
  GradualConfig config;
  read_yaml(yaml, config.pruning,
            {{"steps", &config.steps, 1, 1000},
             {"pruning_share", &config.pruning_share, 0, 1},
             {"min_width_ratio", &config.min_width_ratio, 0, 1}});
  return config;
}

AdmmConfig parse_admm_config(const std::string& yaml) {
  AdmmConfig config;
  read_yaml(yaml, config.pruning,
            {{"iterations", &config.iterations, 1, 10000},
             {"rho", &config.rho, 0, 1e6},
             {"admm_share", &config.admm_share, 0, 1}});
  return config;
}

NetAdaptConfig parse_netadapt_config(const std::string& yaml) {
  NetAdaptConfig config;
  read_yaml(yaml, config.pruning,
            {{"first_reduction", &config.first_reduction, 1e-6, 1},
             {"decay", &config.decay, 0.1, 1},
             {"short_share", &config.short_share, 0, 1},
             {"max_steps", &config.max_steps, 1, 100000}});
  return config;
}

PruningConfig read_pruning_config(const std::string& path) {
  return parse_pruning_config(read_file(path, "pruning config"));
}

}  // namespace tinyml
