#include "tinyml/convert.h"

#include <fmt/format.h>

#include "lower/convert_report.h"
#include "tinyml/lower.h"
#include "tinyml/tflite_passes.h"
#include "tinyml/tflite_verify.h"

namespace tinyml {

BoundaryType parse_boundary_type(const std::string& name) {
  if (name == "float32") return BoundaryType::kFloat32;
  if (name == "int8") return BoundaryType::kInt8;
  if (name == "uint8") return BoundaryType::kUInt8;
  throw Error(fmt::format("'{}' is no type for inputs and outputs", name), "use float32, int8 or uint8");
}

namespace {

tflite::Type boundary_type(BoundaryType type) {
  switch (type) {
    case BoundaryType::kInt8:
      return tflite::Type::INT8;
    case BoundaryType::kUInt8:
      return tflite::Type::UINT8;
    default:
      return tflite::Type::FLOAT32;
  }
}

}  // namespace

ConvertResult convert(const Graph& graph, const ConvertOptions& options) {
  ConvertResult result;
  result.model = lower(graph, {options.output_names});
  tflite::OptimizeOptions passes;
  passes.layout.channels_last_inputs = options.nchw_transpose;
  passes.layout.channels_last_outputs = options.nchw_transpose;
  passes.input_type = passes.output_type = boundary_type(options.boundary);
  const tflite::LayoutReport orders = tflite::optimize(result.model, passes);
  tflite::verify(result.model);
  result.report = lowering::report_on(result.model);
  for (const tflite::Order& order : orders.input_orders) {
    result.report.input_orders.emplace_back(order.begin(), order.end());
  }
  for (const tflite::Order& order : orders.output_orders) {
    result.report.output_orders.emplace_back(order.begin(), order.end());
  }
  return result;
}

}  // namespace tinyml
