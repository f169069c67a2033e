#pragma once

#include <map>
#include <string>
#include <vector>

#include "tinyml/graph.h"
#include "tinyml/tflite.h"
#include "tinyml/tflite_target.h"

namespace tinyml {

/// How the layers of an LSTM, GRU or RNN are written.
enum class RecurrentForm {
  kUnrolled,  ///< Every step written out, weights stored once: the fastest. The file grows by about 1.5 kB a step.
  kFused,     ///< LSTM as UNIDIRECTIONAL_SEQUENCE_LSTM: the smallest. Other layers are refused.
  kWhile,     ///< A WHILE with one step as its body: small whatever the number of steps.
};
/// "unrolled", "fused", "while". Throws Error for anything else.
RecurrentForm parse_recurrent_form(const std::string& name);

/// An input that the file takes as x while the model wants (x - mean) / std: pixels, for example. One number, or one
/// for each index of dimension 1.
struct InputStatistics {
  std::vector<double> mean = {0}, std = {1};
  /// Of the file's input: FLOAT32, UINT8 (x) or INT8 (x - 128).
  tflite::Type type = tflite::Type::FLOAT32;
};

struct LowerOptions {
  /// Names of the outputs in the file's signature, in order; empty: signature_output_names.
  std::vector<std::string> output_names;
  /// Whose kernels the operators are chosen for, where there is a choice.
  tflite::Target target = tflite::Target::kLitert;
  RecurrentForm recurrent = RecurrentForm::kUnrolled;
  /// INT16: 8-bit FakeQuants of activations become 16-bit ones over the same range, symmetric.
  tflite::Type activations = tflite::Type::INT8;
  /// By the names of inputs.
  std::map<std::string, InputStatistics> input_statistics;
  bool preserve_tensors = false;  ///< See ConvertOptions.
};

/// Names of the tensors that a model returns, None left out: "output" for a single one, "output_0" and so on for the
/// items of a tuple, the keys of a dictionary, and paths in nested containers ("boxes.0", "output_1.scores").
std::vector<std::string> signature_output_names(const Graph& graph);

/// The model at TFLite level, in logical form (channel-first, see tinyml/tflite.h), for inference: batch norm uses its
/// running statistics, dropout passes its input through, FakeQuants use their stored scales. int64 becomes INT32,
/// float64, float16 and bfloat16 become FLOAT32, in inputs and outputs too. Throws Error with one diagnostic for every
/// operator, argument, element type and dynamic size that cannot be converted, each with module path, source line and a
/// way out.
tflite::Model lower(const Graph& graph, const LowerOptions& options = {});

/// The operators that `lower` has an entry for ("aten.conv2d.default"), sorted.
std::vector<std::string> lowerable_operators();

/// One row of the table of operators.
struct OperatorSupport {
  std::string name;  ///< "aten.conv2d.default"; of refused ones without the overload, "*" for any ending: "aten.fft_*".
  bool supported = true;
  std::string limits;  ///< What is refused and why; "" for nothing.
  std::string remedy;  ///< Of refused ones: the nearest way out.
};

/// Every operator that `lower` has an entry for, sorted, then those that are refused with a remedy of their own.
std::vector<OperatorSupport> operator_support();

}  // namespace tinyml
