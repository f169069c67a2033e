#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "tinyml/profile.h"

namespace tinyml {
namespace {

constexpr size_t kNeighbours = 4;

bool calls_subgraphs(const tflite::Operator& op) {
  return std::holds_alternative<tflite::IfOptions>(op.options) ||
         std::holds_alternative<tflite::WhileOptions>(op.options) ||
         std::holds_alternative<tflite::CallOptions>(op.options);
}

/// Squared distance of the logarithms.
double distance(const std::vector<int64_t>& a, const std::vector<int64_t>& b) {
  double sum = 0.0;
  for (size_t i = 0; i < a.size(); ++i) {
    if (a[i] == b[i]) continue;
    const double step = std::log(static_cast<double>(a[i]) + 1.0) - std::log(static_cast<double>(b[i]) + 1.0);
    sum += step * step;
  }
  return sum;
}

}  // namespace

void LatencyTable::add(const OperatorShape& shape, double seconds) {
  entries_[shape.kind].push_back({shape.sizes, shape.work, seconds});
}

bool LatencyTable::contains(const OperatorShape& shape) const {
  const auto found = entries_.find(shape.kind);
  return found != entries_.end() && std::any_of(found->second.begin(), found->second.end(),
                                                [&](const Entry& entry) { return entry.sizes == shape.sizes; });
}

size_t LatencyTable::size() const {
  size_t count = 0;
  for (const auto& [kind, entries] : entries_) count += entries.size();
  return count;
}

double LatencyTable::seconds_of(const OperatorShape& shape) const {
  std::vector<std::pair<double, const Entry*>> nearest;
  for (const Entry& entry : entries_.at(shape.kind)) {
    if (entry.sizes.size() != shape.sizes.size()) continue;
    nearest.emplace_back(distance(entry.sizes, shape.sizes), &entry);
    if (nearest.back().first == 0.0) return entry.seconds;
  }
  const size_t count = std::min(kNeighbours, nearest.size());
  const auto middle = nearest.begin() + static_cast<std::ptrdiff_t>(count);
  std::partial_sort(nearest.begin(), middle, nearest.end(),
                    [](const auto& a, const auto& b) { return a.first < b.first; });
  double weights = 0.0, rate = 0.0;
  for (auto entry = nearest.begin(); entry != middle; ++entry) {
    const double weight = 1.0 / entry->first;
    weights += weight;
    rate += weight * entry->second->seconds / std::max(entry->second->work, 1.0);
  }
  return std::max(shape.work, 1.0) * rate / weights;
}

double LatencyTable::estimate(const tflite::Model& model) const {
  const tflite::Subgraph& main = model.subgraphs.at(0);
  double sum = 0.0;
  std::set<std::string> missing;
  for (const tflite::Operator& op : main.operators) {
    const OperatorShape shape = describe_operator(main, op);
    if (shape.kind.empty()) continue;
    const auto found = entries_.find(shape.kind);
    const bool is_known = found != entries_.end() &&
                          std::any_of(found->second.begin(), found->second.end(),
                                      [&](const Entry& entry) { return entry.sizes.size() == shape.sizes.size(); });
    if (calls_subgraphs(op) || !is_known) {
      missing.insert(shape.kind);
    } else {
      sum += seconds_of(shape);
    }
  }
  if (missing.empty()) return scale * sum;
  std::vector<Diagnostic> problems;
  for (const std::string& kind : missing) {
    problems.push_back({fmt::format("{} is not in the table", kind), "", {}, "profile a model that has it"});
  }
  throw Error("the latency table does not fit the model", std::move(problems));
}

double LatencyTable::estimate(const Graph& graph, const ConvertOptions& options) const {
  return estimate(convert(graph, options).model);
}

LatencyFunction table_latency(LatencyTable table, ConvertOptions options) {
  return [table = std::move(table), options = std::move(options)](const Graph& graph) {
    return table.estimate(graph, options);
  };
}

LatencyFunction measured_latency(MeasureModel measure, ConvertOptions options) {
  return [measure = std::move(measure), options = std::move(options)](const Graph& graph) {
    return measure(convert(graph, options).model);
  };
}

}  // namespace tinyml
