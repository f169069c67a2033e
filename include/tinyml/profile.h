// Latency: measured by a runtime that the caller brings, or estimated from a table of measured operators.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "tinyml/convert.h"
#include "tinyml/prune.h"

namespace tinyml {

/// Seconds that a runtime takes for one run of a .tflite model.
using MeasureModel = std::function<double(const tflite::Model&)>;

/// Converts a graph and has it measured.
LatencyFunction measured_latency(MeasureModel measure, ConvertOptions options = {});

/// One operator as a runtime sees it.
struct OperatorShape {
  std::string kind;            ///< Name, element types and ranks: "CONV_2D float32[4] float32[4] float32[1]".
  std::vector<int64_t> sizes;  ///< All sizes of its tensors, strides and dilations; as many for each of one kind.
  double work = 0.0;           ///< Multiply-accumulates, or elements read and written.
  friend bool operator==(const OperatorShape&, const OperatorShape&) = default;
};
/// Operators of constants alone have no kind: runtimes compute them once. An activation that is fused into the operator
/// makes no difference.
OperatorShape describe_operator(const tflite::Subgraph& subgraph, const tflite::Operator& op);

/// What operators take on a device, by their shapes.
class LatencyTable {
 public:
  struct Entry {
    std::vector<int64_t> sizes;
    double work = 0.0;
    double seconds = 0.0;
  };

  void add(const OperatorShape& shape, double seconds);
  bool contains(const OperatorShape& shape) const;
  size_t size() const;

  /// Seconds of one run: the sum over the main subgraph's operators times `scale`. For a shape that is not in the table
  /// the time for a unit of work is interpolated between the nearest shapes of its kind (inverse squared distance of
  /// the logarithms of sizes). Throws Error listing every kind of operator that the table does not have, and operators
  /// that call subgraphs.
  double estimate(const tflite::Model& model) const;
  /// Converts, then estimates.
  double estimate(const Graph& graph, const ConvertOptions& options = {}) const;

  /// Whole models against the sum of their operators.
  double scale = 1.0;
  /// Where it was measured; free text.
  std::string device;

  const std::map<std::string, std::vector<Entry>>& entries() const { return entries_; }

 private:
  double seconds_of(const OperatorShape& shape) const;

  std::map<std::string, std::vector<Entry>> entries_;
};

/// JSON: {"format": "tinyml.latency_table", "version": 1, "device": ..., "scale": ..., "operators": [{"kind": ...,
/// "shapes": [{"sizes": [...], "work": ..., "seconds": ...}, ...]}, ...]}.
std::string to_json(const LatencyTable& table);
/// Reads JSON or YAML of that form. Throws Error for what is none, and for times that are not positive.
LatencyTable parse_latency_table(const std::string& text);
void write_latency_table(const LatencyTable& table, const std::string& path);  ///< Temporary file and rename.
LatencyTable read_latency_table(const std::string& path);
/// The table's estimate as what a latency target is measured by.
LatencyFunction table_latency(LatencyTable table, ConvertOptions options = {});

struct ProfileOptions {
  /// Shares of the channels that layers are measured at: all layers at each, then `rounds` times at random ones.
  std::vector<double> widths = {1.0, 0.75, 0.5, 0.25, 0.125};
  int rounds = 8;
  int64_t multiple = 1;                 ///< Keep multiples of so many channels.
  DependencyOptions dependencies = {};  ///< Whether whole heads of attention go.
  uint64_t seed = 0;
  ConvertOptions convert;
  /// Called before each measurement with its number and how many there are.
  std::function<void(size_t, size_t)> on_progress;
};
/// Measures every operator of a model, each alone, in the shapes that pruning gives it, and the models that have all
/// layers at one width to find `scale`. Throws Error where the model cannot be converted, and for operators that call
/// subgraphs.
LatencyTable profile(const Graph& graph, const MeasureModel& measure, const ProfileOptions& options = {});

}  // namespace tinyml
