#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "tinyml/graph.h"
#include "tinyml/kernel_rounding.h"
#include "tinyml/tflite.h"

namespace tinyml {

/// Contents of tensors as the runtime stores them, by the names of the file's first signature.
using NamedBytes = std::vector<std::pair<std::string, std::vector<std::byte>>>;

/// Runs a file on a runtime: contents of the inputs in, contents of the outputs back.
using RunTflite = std::function<NamedBytes(const tflite::Model& file, const NamedBytes& inputs)>;

/// Why an integer tensor is far from the float value it stands for.
enum class ErrorCause {
  kClippedRange,     ///< Values lie outside of what the scale can hold.
  kOutlierChannel,   ///< A few channels need a range that leaves the others few levels.
  kTiedScales,       ///< A concatenation's scale is much coarser than one of its inputs needs.
  kDeadRange,        ///< The values use a small part of the integers.
  kBiasOverflow,     ///< A bias does not fit into int32 at the scale it must have.
  kWeightRounding,   ///< The weights' 8 bits.
  kKernelRounding,   ///< The kernel rounds products or zero points otherwise than the FakeQuants say.
  kRounding,         ///< The activation's 8 bits; nothing is wrong.
  kUnsupportedForm,  ///< The file has no integer tensor for it: it is computed in float.
};
/// "clipped range" and so on.
std::string_view name_of(ErrorCause cause);

struct ErrorFinding {
  ErrorCause cause = ErrorCause::kRounding;
  double share = 0.0;  ///< Of the energy of the layer's own error; 0 where it cannot be told.
  std::string detail;
  std::string remedy;
};

/// One activation FakeQuant of the model and the integer tensor that it became.
struct LayerError {
  std::string name;         ///< Module path and name of the value: "stage1.conv/relu".
  std::string op;           ///< The ATen operator that makes it.
  std::string module_path;  ///< Of that operator.
  SourceLocation where;
  std::string fake_quantize;  ///< Path of the FakeQuant's module.
  std::string kernel;         ///< The TFLite operator that makes the tensor; empty when the file has none.
  double scale = 0.0;
  int64_t zero_point = 0;
  double snr_db = 0.0;      ///< Of the tensor against the float model.
  double own_snr_db = 0.0;  ///< Against the float layer computed on the file's own inputs: this layer's error alone.
  double unequal = 0.0;     ///< Share of integers other than the FakeQuants give on the file's own inputs.
  double apart = 0.0;       ///< Share of those that differ by more than one.
  std::vector<ErrorFinding> findings;  ///< The largest first; from 40 dB on only ties and overflows.
};

struct OutputSnr {
  std::string name;
  double snr_db = 0.0;  ///< Of the file's output against the float model.
};

struct Explanation {
  std::vector<LayerError> layers;  ///< In execution order.
  std::vector<OutputSnr> outputs;
};

/// Where a quantized file loses accuracy. `graph` is the model with the FakeQuants that the file was converted from;
/// the float model is the same graph with its FakeQuants left out. `samples`: for each run the graph's inputs. The file
/// runs in `run`, with every integer tensor that stands for a FakeQuant as an output; the graph in the evaluator. SNR
/// is energy of the float values over that of the difference, over all samples. `roundings`: FakeQuants that round as
/// the kernels of the runtime do (kernel_roundings); the others to the nearest integer. Throws Error when there is no
/// sample, when the graph has no FakeQuant, or when the file's inputs and outputs are not the graph's.
Explanation explain(const tflite::Model& file, const Graph& graph, const std::vector<std::vector<Tensor>>& samples,
                    const RunTflite& run, const std::vector<KernelRounding>& roundings = {});

/// A table of the layers, then what to do about the worst.
std::string to_string(const Explanation& explanation);
/// One self-contained page without scripts: both SNRs of every layer as bars, causes and remedies.
std::string to_html(const Explanation& explanation, const std::string& title);

}  // namespace tinyml
