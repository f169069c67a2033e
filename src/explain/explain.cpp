#include "tinyml/explain.h"

#include <cmath>
#include <limits>

#include "explain/measure_layers.h"
#include "explain/name_causes.h"
#include "tinyml/lower.h"

namespace tinyml {
namespace {

constexpr double kFine = 40.0;  // dB of a layer alone, where nothing is to be said.

double decibels(double energy, double noise) {
  if (noise == 0) return std::numeric_limits<double>::infinity();
  return energy > 0 ? 10 * std::log10(energy / noise) : -std::numeric_limits<double>::infinity();
}

/// The operator that makes the tensor; for a QUANTIZE the float operator in front of it.
std::string kernel_of(const tflite::Model& file, int tensor) {
  if (tensor == tflite::kNoTensor) return "";
  const auto& operators = file.subgraphs[0].operators;
  const auto maker = [&](int id) -> const tflite::Operator* {
    for (const tflite::Operator& op : operators) {
      for (const int output : op.outputs) {
        if (output == id) return &op;
      }
    }
    return nullptr;
  };
  const tflite::Operator* op = maker(tensor);
  if (op == nullptr) return "input";
  if (op->op != tflite::Op::QUANTIZE) return name_of(*op);
  const tflite::Operator* before = maker(op->inputs[0]);
  if (before == nullptr || before->op == tflite::Op::DEQUANTIZE) return name_of(*op);
  const bool requantizes = file.subgraphs[0].tensors[static_cast<size_t>(op->inputs[0])].type != tflite::Type::FLOAT32;
  return requantizes ? name_of(*op) : name_of(*before) + " (float)";
}

}  // namespace

std::string_view name_of(ErrorCause cause) {
  switch (cause) {
    case ErrorCause::kClippedRange:
      return "clipped range";
    case ErrorCause::kOutlierChannel:
      return "outlier channel";
    case ErrorCause::kTiedScales:
      return "tied scales";
    case ErrorCause::kDeadRange:
      return "dead range";
    case ErrorCause::kBiasOverflow:
      return "bias overflow";
    case ErrorCause::kWeightRounding:
      return "weight rounding";
    case ErrorCause::kKernelRounding:
      return "kernel rounding";
    case ErrorCause::kRounding:
      return "rounding";
    case ErrorCause::kUnsupportedForm:
      return "no integer form";
  }
  report_internal_error("the cause is known", __FILE__, __LINE__);
}

Explanation explain(const tflite::Model& file, const Graph& graph, const std::vector<std::vector<Tensor>>& samples,
                    const RunTflite& run, const std::vector<KernelRounding>& roundings) {
  if (samples.empty()) throw Error("there is no sample to run", "give representative inputs");
  std::vector<explaining::Probe> probes = explaining::find_probes(graph, file);
  if (probes.empty()) {
    throw Error("the model has no FakeQuant to explain the file's integers with",
                "give the quantized model, from which the file was converted");
  }
  std::map<std::string, const KernelRounding*> rounding_of;
  for (const KernelRounding& rounding : roundings) rounding_of[rounding.module_path] = &rounding;
  for (explaining::Probe& probe : probes) {
    const auto found = rounding_of.find(graph.node(probe.node).module_path());
    if (found != rounding_of.end() && !found->second->scalings.empty()) probe.rounding = *found->second;
  }
  const explaining::Measurements measured = explaining::measure_layers(file, graph, probes, samples, run);
  Explanation result;
  for (size_t i = 0; i < probes.size(); ++i) {
    const explaining::Probe& probe = probes[i];
    const explaining::LayerSums& sums = measured.layers[i];
    const NodeId producer = graph.value(probe.self).producer;
    LayerError layer;
    layer.name = graph.value(probe.self).name;
    if (producer != kNoNode) {
      const Node& node = graph.node(producer);
      layer.op = node.op;
      layer.module_path = node.module_path();
      layer.where = node.source();
      if (!layer.module_path.empty()) layer.name = layer.module_path + "/" + layer.name;
    }
    layer.fake_quantize = graph.node(probe.node).module_path();
    layer.kernel = kernel_of(file, probe.tensor);
    layer.scale = probe.scale;
    layer.zero_point = probe.zero_point;
    layer.snr_db = decibels(sums.float_energy, sums.total_noise);
    layer.own_snr_db = decibels(sums.local_energy, sums.local_noise);
    if (sums.count > 0) {
      layer.unequal = static_cast<double>(sums.unequal) / static_cast<double>(sums.count);
      layer.apart = static_cast<double>(sums.apart) / static_cast<double>(sums.count);
    }
    layer.findings = explaining::name_causes(graph, probe, sums, measured, layer.kernel);
    if (probe.tensor != tflite::kNoTensor && layer.own_snr_db >= kFine) {
      // A small part of a concatenation does not show in the whole.
      std::erase_if(layer.findings, [](const ErrorFinding& f) {
        return f.cause != ErrorCause::kTiedScales && f.cause != ErrorCause::kBiasOverflow;  // which cost time as well
      });
    }
    result.layers.push_back(std::move(layer));
  }
  const std::vector<std::string> names = signature_output_names(graph);
  for (size_t i = 0; i < measured.outputs.size(); ++i) {
    result.outputs.push_back({i < names.size() ? names[i] : "output_" + std::to_string(i),
                              decibels(measured.outputs[i].first, measured.outputs[i].second)});
  }
  return result;
}

}  // namespace tinyml
