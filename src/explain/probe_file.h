// Looks into a quantized file: which tensor stands for which FakeQuant, and what it holds.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tinyml/explain.h"

namespace tinyml::explaining {

/// An activation FakeQuant of the graph.
struct Probe {
  NodeId node = kNoNode;
  ValueId self = kNoValue;  ///< What it rounds.
  double scale = 1.0;
  int64_t zero_point = 0;
  int64_t quant_min = -128, quant_max = 127;
  int tensor = tflite::kNoTensor;  ///< Of the file's main subgraph.
  KernelRounding rounding;         ///< How the kernel comes to the integers.

  double low() const { return scale * static_cast<double>(quant_min - zero_point); }
  double high() const { return scale * static_cast<double>(quant_max - zero_point); }
};

/// The FakeQuants of values that depend on the graph's inputs, in execution order, each with its tensor in the file:
/// the one that is named after the value ("conv/relu_int8") or is the output of the graph's output, of the same scale.
std::vector<Probe> find_probes(const Graph& graph, const tflite::Model& file);

/// The file with the probes' tensors as outputs of the first signature; `names`: for each probe the output's name, ""
/// for one without a tensor.
tflite::Model add_outputs(const tflite::Model& file, const std::vector<Probe>& probes, std::vector<std::string>& names);

/// Values of the graph as the bytes of the file's tensor: dimensions in the file's order, quantized where it is.
std::vector<std::byte> encode(const Tensor& values, const tflite::Tensor& tensor);

/// The bytes of the file's tensor as float32 values of the graph's sizes. Of the orders that fit (see
/// element_orders.h) the first, or one that is clearly nearer to `like`. nullopt when none fits.
std::optional<Tensor> decode(const std::vector<std::byte>& bytes, const tflite::Tensor& tensor, const Tensor& like);

/// Inputs and outputs of the first signature, or of the main subgraph of a file without one.
std::vector<std::pair<std::string, int>> boundary(const tflite::Model& file, bool inputs);

}  // namespace tinyml::explaining
