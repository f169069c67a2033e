#include "quantize/search/frontier.h"

#include <algorithm>
#include <cmath>

#include "graph/min_cut.h"

namespace tinyml::quantization {
namespace {

/// Integers that stand for the energies: the sum of all of them stays far below MinCut::kInfinite.
constexpr double kResolution = 1e15;

double total_energy(const PrecisionModel& model, double price) {
  double total = 0.0;
  for (const PrecisionModel::Site& site : model.sites) total += site.noise;
  for (const PrecisionModel::Layer& layer : model.layers) {
    total += layer.weight_noise;
    const auto [low, high] = std::minmax_element(layer.cost.begin(), layer.cost.end());
    total += price * (*high - *low);
  }
  return total;
}

class EnergyCut {
 public:
  EnergyCut(const PrecisionModel& model, double price) : model_(model), price_(price) {
    const double total = total_energy(model, price);
    unit_ = total > 0.0 ? total / kResolution : 1.0;
  }

  Assignment solve() {
    for (const PrecisionModel::Layer& layer : model_.layers) add(layer);
    for (const PrecisionModel::Site& site : model_.sites) {
      if (site.layers.empty() || site.noise <= 0.0) continue;
      const int node = cut_.add_node();
      cut_.add_edge(cut_.source(), node, integer(site.noise));
      for (const size_t layer : site.layers) cut_.add_edge(node, wide_[layer], MinCut::kInfinite);
    }
    cut_.solve();
    Assignment assignment;
    for (size_t i = 0; i < wide_.size(); ++i) {
      assignment.push_back(cut_.on_sink_side(wide_[i]) ? 0 : cut_.on_sink_side(float_[i]) ? 1 : 2);
    }
    return assignment;
  }

 private:
  int64_t integer(double energy) const { return static_cast<int64_t>(std::llround(energy / unit_)); }

  /// On the source's side it costs `energy` more.
  void add_cost(int node, double energy) {
    if (energy > 0.0) cut_.add_edge(node, cut_.sink(), integer(energy));
    if (energy < 0.0) cut_.add_edge(cut_.source(), node, integer(-energy));
  }

  void add(const PrecisionModel::Layer& layer) {
    const int wide = cut_.add_node(), as_float = cut_.add_node();
    wide_.push_back(wide);
    float_.push_back(as_float);
    cut_.add_edge(as_float, wide, MinCut::kInfinite);  // float is wide
    const double to_wide = price_ * (layer.cost[1] - layer.cost[0]);
    const double to_float = price_ * (layer.cost[2] - layer.cost[0]) - layer.weight_noise;
    if (!layer.allowed[1] && !layer.allowed[2]) {
      cut_.add_edge(wide, cut_.sink(), MinCut::kInfinite);
    } else if (!layer.allowed[2]) {
      cut_.add_edge(as_float, cut_.sink(), MinCut::kInfinite);
      add_cost(wide, to_wide);
    } else if (!layer.allowed[1]) {
      cut_.add_edge(wide, as_float, MinCut::kInfinite);
      add_cost(wide, to_float);
    } else {
      add_cost(wide, to_wide);
      add_cost(as_float, to_float - to_wide);
    }
  }

  const PrecisionModel& model_;
  double price_;
  double unit_ = 1.0;
  MinCut cut_;
  std::vector<int> wide_, float_;
};

}  // namespace

double PrecisionModel::noise(const Assignment& assignment) const {
  double total = 0.0;
  for (size_t i = 0; i < layers.size(); ++i) total += assignment[i] == 2 ? 0.0 : layers[i].weight_noise;
  for (const Site& site : sites) {
    const bool wide = !site.layers.empty() && std::all_of(site.layers.begin(), site.layers.end(),
                                                          [&](size_t layer) { return assignment[layer] > 0; });
    if (!wide) total += site.noise;
  }
  return total;
}

double PrecisionModel::cost(const Assignment& assignment) const {
  double total = 0.0;
  for (size_t i = 0; i < layers.size(); ++i) total += layers[i].cost[assignment[i]];
  return total;
}

Assignment least_energy(const PrecisionModel& model, double price) { return EnergyCut(model, price).solve(); }

std::vector<Assignment> find_frontier(const PrecisionModel& model, size_t most) {
  double noise = 0.0;
  for (const PrecisionModel::Site& site : model.sites) noise += site.noise;
  for (const PrecisionModel::Layer& layer : model.layers) noise += layer.weight_noise;
  double cost = 0.0;
  for (const PrecisionModel::Layer& layer : model.layers) {
    const auto [low, high] = std::minmax_element(layer.cost.begin(), layer.cost.end());
    cost += *high - *low;
  }
  const double scale = cost > 0.0 && noise > 0.0 ? noise / cost : 1.0;
  std::vector<Assignment> found = {least_energy(model, 1e6 * scale), least_energy(model, 1e-6 * scale)};
  // Between two neighbours a price at which they are equal finds one below their line, if there is any.
  std::vector<std::pair<size_t, size_t>> open = {{0, 1}};
  while (!open.empty() && found.size() < most) {
    const auto [a, b] = open.back();
    open.pop_back();
    const double rise = model.cost(found[b]) - model.cost(found[a]);
    const double fall = model.noise(found[a]) - model.noise(found[b]);
    if (!(rise > 0.0) || !(fall > 0.0)) continue;
    const double price = fall / rise;
    Assignment middle = least_energy(model, price);
    const double line = model.noise(found[a]) + price * model.cost(found[a]);
    const double energy = model.noise(middle) + price * model.cost(middle);
    if (!(energy < line - 1e-9 * std::abs(line)) || middle == found[a] || middle == found[b]) continue;
    found.push_back(std::move(middle));
    open.emplace_back(a, found.size() - 1);
    open.emplace_back(found.size() - 1, b);
  }
  std::sort(found.begin(), found.end(), [&](const Assignment& a, const Assignment& b) {
    const double left = model.cost(a), right = model.cost(b);
    return left != right ? left < right : model.noise(a) > model.noise(b);
  });
  found.erase(std::unique(found.begin(), found.end()), found.end());
  return found;
}

}  // namespace tinyml::quantization
