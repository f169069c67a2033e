#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>

#include "quantize/search/assignments.h"
#include "quantize/search/search_journal.h"
#include "tinyml/precision_search.h"

namespace tinyml {
namespace {

using namespace quantization;

/// Of the time budget: what sensitivities and costs may take before the search goes on with what it knows.
constexpr double kSensitivityShare = 0.6;

class Search {
 public:
  Search(const Graph& graph, const QuantizationScheme& scheme, const std::vector<std::vector<Tensor>>& samples,
         const PrecisionSearchOptions& options)
      : options_(options),
        assignments_(graph, scheme, samples, options),
        journal_(options.journal, assignments_.fingerprint()),
        begin_(std::chrono::steady_clock::now()),
        layers_(assignments_.layers().size()) {}

  PrecisionSearchResult run() {
    bool complete = true;
    try {
      measure_extremes();
      if (!is_done()) {
        measure_sensitivities();
        measure_costs();
        choose();
      }
    } catch (const SearchStopped&) {
      complete = false;
      if (measured_.empty()) throw;
    }
    return result(complete);
  }

 private:
  using Key = std::string;

  static Key key_of(const Assignment& assignment) {
    Key key;
    for (const uint8_t precision : assignment) key += static_cast<char>('0' + precision);
    return key;
  }

  double elapsed() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count(); }

  void report(const char* phase, size_t done, size_t total) {
    if (options_.on_progress && !options_.on_progress({phase, done, total})) throw SearchStopped();
    if (elapsed() > options_.seconds) throw SearchStopped();
  }

  double cost_of(const Assignment& assignment, const Graph* quantized) {
    if (!options_.cost) return model_cost(assignment);
    return journal_.number("cost " + key_of(assignment), [&] {
      return options_.cost(quantized != nullptr ? *quantized : assignments_.quantized(assignment));
    });
  }

  double model_cost(const Assignment& assignment) const {
    double total = 0.0;
    for (size_t i = 0; i < bits_.size(); ++i) {
      const size_t precision = assignments_.is_free(i) ? assignment[i] : 2;
      total += bits_[i][precision];
    }
    return total;
  }

  const MeasuredAssignment& measure(const Assignment& assignment, const char* phase, size_t done = 0,
                                    size_t total = 0) {
    const Key key = key_of(assignment);
    if (const auto found = measured_.find(key); found != measured_.end()) return found->second;
    const bool known = journal_.contains("quality " + key);
    if (!known) report(phase, done, total);
    MeasuredAssignment result;
    if (known && (!options_.cost || journal_.contains("cost " + key))) {
      result.quality = journal_.number("quality " + key, {});
      result.cost = cost_of(assignment, nullptr);
    } else {
      const Graph quantized = assignments_.quantized(assignment);
      result.quality = journal_.number("quality " + key, [&] { return assignments_.quality(quantized); });
      result.cost = cost_of(assignment, &quantized);
    }
    by_key_.emplace(key, assignment);
    return measured_.emplace(key, result).first->second;
  }

  Assignment all(uint8_t precision) const {
    Assignment assignment(layers_, 0);
    for (size_t i = 0; i < layers_; ++i) assignment[i] = assignments_.is_free(i) ? precision : 0;
    return assignment;
  }

  void measure_extremes() {
    if (!options_.cost) bits_ = assignments_.bit_operations();
    measure(all(0), "extremes");
    float_cost_ = options_.cost
                      ? journal_.number("cost float", [&] { return options_.cost(assignments_.float_graph()); })
                      : model_cost(all(2));
    max_cost_ = options_.max_cost_share ? *options_.max_cost_share * float_cost_ : options_.max_cost.value_or(HUGE_VAL);
    if (is_done()) return;
    if (options_.allow_int16) measure(all(1), "extremes");
    if (options_.allow_float) measure(all(2), "extremes");
  }

  /// Whether the configuration alone is the answer already: the cheapest usually, if good enough.
  bool is_done() const { return options_.min_quality && meets(measured_.at(key_of(all(0)))); }

  bool meets(const MeasuredAssignment& measured) const {
    return options_.min_quality ? measured.quality >= *options_.min_quality : measured.cost <= max_cost_;
  }
  /// Among two that both meet the target, or both do not.
  bool is_better(const MeasuredAssignment& a, const MeasuredAssignment& b) const {
    if (meets(a) != meets(b)) return meets(a);
    const bool by_cost = options_.min_quality.has_value() == meets(a);
    if (by_cost) return a.cost != b.cost ? a.cost < b.cost : a.quality > b.quality;
    return a.quality != b.quality ? a.quality > b.quality : a.cost < b.cost;
  }

  void measure_sensitivities() {
    const Graph quantized = assignments_.quantized(all(0));
    sites_ = find_noise_sites(quantized, assignments_.layers());
    noise_.assign(sites_.size(), -1.0);
    for (size_t i = 0; i < sites_.size(); ++i) {
      const std::string key = "noise " + sites_[i].name;
      if (!journal_.contains(key)) {
        if (elapsed() > kSensitivityShare * options_.seconds) continue;
        report("sensitivity", i, sites_.size());
      }
      noise_[i] = journal_.number(key, [&] { return assignments_.loss(keep_site(quantized, sites_[i])); });
    }
    // What was not measured for want of time is taken to be as usual.
    double sum = 0.0, count = 0.0;
    for (const double noise : noise_) {
      sum += std::max(noise, 0.0);
      count += noise < 0.0 ? 0.0 : 1.0;
    }
    for (double& noise : noise_) noise = noise < 0.0 ? sum / std::max(count, 1.0) : noise;
  }

  void measure_costs() {
    model_.layers.resize(layers_);
    const double base = options_.cost ? measured_.at(key_of(all(0))).cost : 0.0;
    for (size_t i = 0; i < layers_; ++i) {
      PrecisionModel::Layer& layer = model_.layers[i];
      const bool free = assignments_.is_free(i);
      layer.allowed = {true, free && options_.allow_int16, free && options_.allow_float};
      if (!options_.cost) {
        if (free) layer.cost = bits_[i];
        continue;
      }
      for (const uint8_t precision : {uint8_t{1}, uint8_t{2}}) {
        if (!layer.allowed[precision]) continue;
        Assignment one = all(0);
        one[i] = precision;
        if (!journal_.contains("cost " + key_of(one))) report("costs", i, layers_);
        layer.cost[precision] = cost_of(one, nullptr) - base;
      }
    }
    for (size_t i = 0; i < sites_.size(); ++i) {
      if (sites_[i].weight) {
        for (const size_t layer : sites_[i].layers) model_.layers[layer].weight_noise += noise_[i];
      } else {
        model_.sites.push_back({noise_[i], sites_[i].layers});
      }
    }
  }

  void choose() {
    const std::vector<Assignment> frontier = find_frontier(model_);
    // By rising cost quality rises: the first that is good enough, or the last that is cheap enough.
    size_t low = 0, high = frontier.size();
    while (low < high) {
      const size_t middle = (low + high) / 2;
      const bool good = meets(measure(frontier[middle], "frontier"));
      if (good == options_.min_quality.has_value()) {
        high = middle;
      } else {
        low = middle + 1;
      }
    }
    repair();
  }

  const Key& best_key() const {
    const auto best = std::min_element(measured_.begin(), measured_.end(),
                                       [&](const auto& a, const auto& b) { return is_better(a.second, b.second); });
    return best->first;
  }

  /// Changes layer by layer from the best assignment on: where the target is a quality, to cheaper precisions as long
  /// as it holds; where it is a cost, to better ones that it has room for. The most promising come first.
  void repair() {
    if (!meets(measured_.at(best_key()))) return;
    std::vector<Key> tried;
    for (bool changed = true; changed;) {
      changed = false;
      const Assignment best = by_key_.at(best_key());
      const std::vector<Assignment> moves = promising_moves(best);
      for (size_t i = 0; i < moves.size(); ++i) {
        if (measured_.contains(key_of(moves[i]))) continue;
        const MeasuredAssignment before = measured_.at(best_key());
        if (is_better(measure(moves[i], "repair", i, moves.size()), before)) {
          changed = true;
          break;
        }
      }
    }
  }

  std::vector<Assignment> promising_moves(const Assignment& from) const {
    const bool cheaper = options_.min_quality.has_value();
    const double noise = model_.noise(from), cost = model_.cost(from);
    std::vector<std::pair<double, Assignment>> moves;
    const auto consider = [&](Assignment to) {
      const double saved = cost - model_.cost(to), gained = noise - model_.noise(to);
      if (to == from || (cheaper ? saved <= 0.0 : gained <= 0.0)) return;
      // Cost saved for noise added, or noise removed for cost added.
      const double worth = cheaper ? saved / std::max(-gained, 1e-30) : gained / std::max(-saved, 1e-30);
      moves.emplace_back(worth, std::move(to));
    };
    for (size_t i = 0; i < layers_; ++i) {
      for (uint8_t precision = 0; precision < kPrecisions; ++precision) {
        if (!model_.layers[i].allowed[precision]) continue;
        Assignment to = from;
        to[i] = precision;
        consider(std::move(to));
      }
    }
    for (const PrecisionModel::Site& site : model_.sites) {
      Assignment to = from;
      for (const size_t layer : site.layers) {
        if (to[layer] > 0 || !assignments_.is_free(layer)) continue;
        const PrecisionModel::Layer& costs = model_.layers[layer];
        const bool wide = costs.allowed[1] && (!costs.allowed[2] || costs.cost[1] <= costs.cost[2]);
        to[layer] = wide ? 1 : costs.allowed[2] ? 2 : 0;
      }
      consider(std::move(to));
    }
    std::stable_sort(moves.begin(), moves.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
    std::vector<Assignment> result;
    for (auto& [worth, to] : moves) {
      if (result.size() == kMostMoves) break;
      result.push_back(std::move(to));
    }
    return result;
  }
  static constexpr size_t kMostMoves = 16;

  PrecisionSearchResult result(bool complete) {
    const Key key = best_key();
    const MeasuredAssignment& chosen = measured_.at(key);
    if (complete && !meets(chosen)) {
      throw Error(options_.min_quality
                      ? fmt::format("no assignment of precisions has a quality of {:g}: the best has {:.4g}",
                                    *options_.min_quality, chosen.quality)
                      : fmt::format("no assignment of precisions costs as little as {:.4g}: the cheapest costs {:.4g}",
                                    max_cost_, chosen.cost),
                  "aim lower, allow other precisions, or train with quantization (tinyml.QATQuantizer)");
    }
    PrecisionSearchResult found;
    found.complete = complete;
    found.chosen = chosen;
    found.configured = measured_.at(key_of(all(0)));
    found.float_cost = float_cost_;
    found.text = assignments_.text(by_key_.at(key));
    for (LayerPrecision& layer : assignments_.precisions(by_key_.at(key))) {
      found.layers.push_back({std::move(layer), 0.0, 0.0});
    }
    for (size_t i = 0; i < noise_.size(); ++i) {
      for (const size_t layer : sites_[i].layers) {
        SearchedLayer& item = found.layers[layer];
        if (sites_[i].weight) item.weight_noise += noise_[i];
        if (!sites_[i].weight) item.value_noise = std::max(item.value_noise, noise_[i]);
      }
    }
    for (const auto& [unused, measured] : measured_) found.measured.push_back(measured);
    std::sort(found.measured.begin(), found.measured.end(),
              [](const MeasuredAssignment& a, const MeasuredAssignment& b) { return a.cost < b.cost; });
    return found;
  }

  const PrecisionSearchOptions& options_;
  Assignments assignments_;
  SearchJournal journal_;
  std::chrono::steady_clock::time_point begin_;
  size_t layers_;
  double float_cost_ = 0.0;
  double max_cost_ = HUGE_VAL;
  std::vector<std::array<double, kPrecisions>> bits_;  ///< Where the cost is bit operations.
  std::vector<NoiseSite> sites_;
  std::vector<double> noise_;  ///< By site.
  PrecisionModel model_;
  std::map<Key, MeasuredAssignment> measured_;
  std::map<Key, Assignment> by_key_;
};

}  // namespace

PrecisionSearchResult search_precisions(const Graph& graph, const QuantizationScheme& scheme,
                                        const std::vector<std::vector<Tensor>>& samples,
                                        const PrecisionSearchOptions& options) {
  const int targets = (options.min_quality ? 1 : 0) + (options.max_cost ? 1 : 0) + (options.max_cost_share ? 1 : 0);
  if (targets != 1) {
    throw Error(fmt::format("a search for precisions has one target, {} are given", targets),
                "a least quality, or a most cost");
  }
  try {
    return Search(graph, scheme, samples, options).run();
  } catch (const SearchStopped&) {
    throw Error("the search was stopped before anything was measured", "give it more time");
  }
}

}  // namespace tinyml
