#include <nanobind/stl/map.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "bindings.h"
#include "tinyml/convert.h"
#include "tinyml/lower.h"

namespace tinyml::python {

namespace nb = nanobind;

namespace {

std::vector<std::string> names_of(const tflite::Subgraph& subgraph, const std::vector<int>& ids) {
  std::vector<std::string> names;
  for (const int id : ids) names.push_back(subgraph.tensors[static_cast<size_t>(id)].name);
  return names;
}

nb::bytes to_bytes(const tflite::Model& model) {
  const std::vector<std::byte> file = tflite::serialize_tflite(model);
  return nb::bytes(file.data(), file.size());
}

using Statistics = std::map<std::string, std::pair<std::vector<double>, std::vector<double>>>;

ConvertResult convert_graph(const Graph& graph, bool nchw_transpose, const std::string& quantize_input_output_type,
                            const std::vector<std::string>& output_names, const std::string& dump_passes,
                            const std::string& target, const std::vector<std::string>& forms,
                            const std::string& precision, bool per_channel_weights, bool asymmetric_quantize_inputs,
                            int64_t min_weight_elements, const std::string& recurrent,
                            const std::map<std::string, std::string>& boundary_types,
                            const Statistics& input_statistics, const std::string& quantize_target_type,
                            const std::vector<std::optional<bool>>& input_transpose,
                            const std::vector<std::optional<bool>>& output_transpose,
                            const std::optional<std::vector<size_t>>& fuse_input_indices,
                            const std::optional<std::vector<size_t>>& fuse_output_indices, bool fuse_where_possible,
                            bool preserve_tensors, int max_transpose_dims) {
  ConvertOptions options;
  options.nchw_transpose = nchw_transpose;
  options.boundary = parse_boundary_type(quantize_input_output_type);
  options.output_names = output_names;
  options.dump_passes = dump_passes;
  options.target = tflite::parse_target(target);
  options.forms = tflite::parse_forms(forms);
  options.weights = {tflite::parse_precision(precision), per_channel_weights, asymmetric_quantize_inputs,
                     min_weight_elements};
  options.recurrent = parse_recurrent_form(recurrent);
  for (const auto& [name, type] : boundary_types) options.boundary_types[name] = parse_boundary_type(type);
  for (const auto& [name, pair] : input_statistics) options.input_statistics[name] = {pair.first, pair.second};
  options.integers = parse_integer_type(quantize_target_type);
  options.input_transpose = input_transpose;
  options.output_transpose = output_transpose;
  options.fuse_input_indices = fuse_input_indices;
  options.fuse_output_indices = fuse_output_indices;
  options.fuse_where_possible = fuse_where_possible;
  options.preserve_tensors = preserve_tensors;
  options.max_transpose_dims = max_transpose_dims;
  return convert(graph, options);
}

}  // namespace

void bind_convert(nb::module_& module) {
  nb::class_<RemainingTranspose>(module, "RemainingTranspose", "A TRANSPOSE operator in the file.")
      .def_ro("tensor", &RemainingTranspose::tensor)
      .def_ro("shape", &RemainingTranspose::shape)
      .def_ro("reason", &RemainingTranspose::reason)
      .def("__repr__", [](const RemainingTranspose& self) { return self.tensor + ": " + self.reason; });

  nb::class_<tflite::TargetIssue>(module, "TargetIssue", "An operator that the target does not accept.")
      .def_prop_ro("operator", [](const tflite::TargetIssue& self) { return std::string(tflite::to_string(self.op)); })
      .def_ro("tensor", &tflite::TargetIssue::tensor)
      .def_ro("reason", &tflite::TargetIssue::reason)
      .def("__repr__", [](const tflite::TargetIssue& self) {
        return std::string(tflite::to_string(self.op)) + " " + self.tensor + ": " + self.reason;
      });

  nb::class_<ConvertResult>(module, "ConvertResult", "A converted and verified model.")
      .def_prop_ro("operators", [](const ConvertResult& result) { return result.report.operators; })
      .def_prop_ro("transposes", [](const ConvertResult& result) { return result.report.transposes; })
      .def_prop_ro("input_orders", [](const ConvertResult& result) { return result.report.input_orders; })
      .def_prop_ro("output_orders", [](const ConvertResult& result) { return result.report.output_orders; })
      .def_prop_ro("target_issues", [](const ConvertResult& result) { return result.report.target_issues; })
      .def_prop_ro("notes", [](const ConvertResult& result) { return result.report.notes; })
      .def_prop_ro("quantized", [](const ConvertResult& result) { return result.report.quantized; })
      .def_prop_ro("output_names",
                   [](const ConvertResult& result) {
                     std::vector<std::string> names;
                     for (const auto& entry : result.model.signatures.at(0).outputs) names.push_back(entry.first);
                     return names;
                   })
      .def_prop_ro("input_names",
                   [](const ConvertResult& result) {
                     return names_of(result.model.subgraphs[0], result.model.subgraphs[0].inputs);
                   })
      .def_prop_ro(
          "input_signatures",
          [](const ConvertResult& result) {
            std::vector<std::vector<int32_t>> signatures;
            for (const int id : result.model.subgraphs[0].inputs) {
              const tflite::Tensor& tensor = result.model.subgraphs[0].tensors[static_cast<size_t>(id)];
              signatures.push_back(tensor.shape_signature.empty() ? tensor.shape : tensor.shape_signature);
            }
            return signatures;
          },
          "The file's input shapes, with -1 for what is dynamic.")
      .def(
          "to_bytes", [](const ConvertResult& result) { return to_bytes(result.model); }, "The .tflite file's bytes.")
      .def(
          "write",
          [](const ConvertResult& result, const std::string& path) { tflite::write_tflite(result.model, path); },
          nb::arg("path"), "Writes the .tflite file through a temporary one.",
          nb::call_guard<nb::gil_scoped_release>());

  module.def("convert", &convert_graph, nb::arg("graph"), nb::kw_only(), nb::arg("nchw_transpose") = true,
             nb::arg("quantize_input_output_type") = "float32", nb::arg("output_names") = std::vector<std::string>(),
             nb::arg("dump_passes") = "", nb::arg("target") = "litert", nb::arg("forms") = std::vector<std::string>(),
             nb::arg("precision") = "float32", nb::arg("per_channel_weights") = true,
             nb::arg("asymmetric_quantize_inputs") = true, nb::arg("min_weight_elements") = 1024,
             nb::arg("recurrent") = "unrolled", nb::arg("boundary_types") = std::map<std::string, std::string>(),
             nb::arg("input_statistics") = Statistics(), nb::arg("quantize_target_type") = "int8",
             nb::arg("input_transpose") = std::vector<std::optional<bool>>(),
             nb::arg("output_transpose") = std::vector<std::optional<bool>>(),
             nb::arg("fuse_input_indices") = nb::none(), nb::arg("fuse_output_indices") = nb::none(),
             nb::arg("fuse_where_possible") = false, nb::arg("preserve_tensors") = false,
             nb::arg("max_transpose_dims") = -1, nb::call_guard<nb::gil_scoped_release>(),
             "Converts a graph to a verified TFLite model.");
  module.def("signature_output_names", &signature_output_names, nb::arg("graph"),
             "The names that the outputs of a graph get in the file's signature.");
  module.def("target_names", &tflite::target_names, "The names of the targets.");
  module.def("form_descriptions", &tflite::form_descriptions, "The names that `forms` takes, and what each form is.");
  nb::class_<OperatorSupport>(module, "OperatorSupport", "Whether an ATen operator can be converted, and its limits.")
      .def_ro("name", &OperatorSupport::name)
      .def_ro("supported", &OperatorSupport::supported)
      .def_ro("limits", &OperatorSupport::limits, "What is refused and why; empty for nothing.")
      .def_ro("remedy", &OperatorSupport::remedy, "Of refused operators: the nearest way out.")
      .def("__repr__",
           [](const OperatorSupport& self) { return self.name + (self.limits.empty() ? "" : ": " + self.limits); });
  module.def(
      "operators",
      [](const std::string& filter) {
        std::vector<OperatorSupport> rows;
        for (OperatorSupport& row : operator_support()) {
          if (row.name.find(filter) != std::string::npos) rows.push_back(std::move(row));
        }
        return rows;
      },
      nb::arg("filter") = "",
      "The ATen operators with `filter` in their names: those that can be converted, with the limits of each, and "
      "those "
      "that TFLite cannot express, with the nearest way out.");
  module.def("lowerable_operators", &lowerable_operators, "The ATen operators that can be converted.");
}

}  // namespace tinyml::python
