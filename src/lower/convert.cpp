#include "tinyml/convert.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "lower/boundary.h"
#include "lower/convert_report.h"
#include "lower/dynamic/dynamic_model.h"
#include "lower/pass_dump.h"
#include "tflite/dynamic/example_sizes.h"
#include "tflite/dynamic/reshape_operands.h"
#include "tinyml/functionalize.h"
#include "tinyml/lower.h"
#include "tinyml/tflite_passes.h"
#include "tinyml/tflite_verify.h"

namespace tinyml {

namespace {

std::vector<std::vector<int64_t>> wide(const std::vector<tflite::Order>& orders) {
  std::vector<std::vector<int64_t>> result;
  for (const tflite::Order& order : orders) result.emplace_back(order.begin(), order.end());
  return result;
}

// A graph whose activations are quantized at run time keeps the integers of its weights.
tflite::WeightOptions weights_of(const ConvertOptions& options, const Graph& graph) {
  tflite::WeightOptions weights = options.weights;
  if (weights.precision == tflite::Precision::kFloat32 && has_dynamic_quantization(graph)) {
    weights.precision = tflite::Precision::kDynamicRange;
    weights.min_elements = std::numeric_limits<int64_t>::max();  // What has no scale stays float.
  }
  return weights;
}

/// Dropout that stays on at inference is left out of the file: what users who forgot `training=self.training` mean.
std::vector<std::string> dropout_notes(const Graph& graph) {
  std::vector<std::string> notes;
  for (const NodeId id : graph.nodes()) {
    const Node& node = graph.node(id);
    if (node.op.find("dropout") == std::string::npos || !node.has_arg("train")) continue;
    const Argument& train = node.arg("train");
    if (!train.is_bool() || !train.as_bool()) continue;
    const SourceLocation where = node.source();
    notes.push_back(fmt::format("{} is on in the captured model; the file passes its input through ({}:{})", node.op,
                                where.file, where.line));
  }
  return notes;
}

}  // namespace

ConvertResult convert(const Graph& graph, const ConvertOptions& options) {
  ConvertResult result;
  LowerOptions lowering_options;
  lowering_options.output_names = options.output_names;
  lowering_options.target = options.target;
  lowering_options.recurrent = options.recurrent;
  lowering_options.activations = options.integers;
  lowering_options.input_statistics = lowering::typed_statistics(options);
  lowering_options.preserve_tensors = options.preserve_tensors;
  const bool dynamic = lowering::has_symbols(graph);
  std::map<int32_t, int32_t> examples;
  if (dynamic) {
    lowering::DynamicModel lowered = lowering::lower_dynamic(graph, lowering_options);
    result.model = std::move(lowered.model);
    examples = std::move(lowered.examples);
  } else {
    result.model = lower(graph, lowering_options);
  }
  lowering::BoundaryTypes types = lowering::boundary_types(options, result.model.signatures.at(0));
  tflite::OptimizeOptions optimization;
  optimization.layout.channels_last_inputs = options.nchw_transpose;
  optimization.layout.channels_last_outputs = options.nchw_transpose;
  if (options.nchw_transpose) {
    const tflite::Subgraph& main = result.model.subgraphs[0];
    optimization.layout.input_orders = lowering::boundary_orders(main, main.inputs, options.input_transpose, "input");
    optimization.layout.output_orders =
        lowering::boundary_orders(main, main.outputs, options.output_transpose, "output");
  }
  lowering::restrict_types(options.fuse_input_indices, "input", types.inputs);
  lowering::restrict_types(options.fuse_output_indices, "output", types.outputs);
  optimization.max_transpose_rank = std::max(options.max_transpose_dims, 0);
  optimization.types_where_possible = options.fuse_where_possible;
  optimization.input_types = std::move(types.inputs);
  optimization.output_types = std::move(types.outputs);
  optimization.target = options.target;
  optimization.sizes_are_generic = dynamic;
  optimization.forms = options.forms;
  optimization.integers = options.integers;
  optimization.weights = weights_of(options, graph);
  std::vector<std::string> notes = dropout_notes(graph);
  optimization.note = [&](const std::string& note) { notes.push_back(note); };
  const lowering::PassDump dump(options.dump_passes);
  dump.write("lower", result.model);
  if (dump.enabled()) {
    optimization.verify_passes = true;
    optimization.after_pass = [&](const std::string& pass, const tflite::Model& model) { dump.write(pass, model); };
  }
  const tflite::LayoutReport orders = tflite::optimize(result.model, optimization);
  if (dynamic) {
    tflite::make_reshape_operands(result.model);
    tflite::verify(result.model);  // at the sizes of the sample too
    tflite::set_example_sizes(result.model, examples);
    dump.write("set_example_sizes", result.model);
  }
  tflite::verify(result.model);
  result.report = lowering::report_on(result.model);
  result.report.target_issues = tflite::check_target(result.model, options.target);
  result.report.notes = std::move(notes);
  result.report.input_orders = wide(orders.input_orders);
  result.report.output_orders = wide(orders.output_orders);
  return result;
}

}  // namespace tinyml
