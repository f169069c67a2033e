#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tinyml/graph.h"
#include "tinyml/lower.h"
#include "tinyml/tflite.h"
#include "tinyml/tflite_forms.h"
#include "tinyml/tflite_precision.h"
#include "tinyml/tflite_target.h"

namespace tinyml {

/// Element type of a quantized model's inputs and outputs in the file.
enum class BoundaryType { kFloat32, kInt8, kUInt8, kInt16 };
/// "float32", "int8", "uint8", "int16". Throws Error for anything else.
BoundaryType parse_boundary_type(const std::string& name);
/// "int8", "uint8", "int16". Throws Error for anything else.
tflite::Type parse_integer_type(const std::string& name);

struct ConvertOptions {
  /// Inputs and outputs of rank 4 of a model with images in it are NHWC in the file; false: all keep PyTorch's order.
  bool nchw_transpose = true;
  /// kInt8, kUInt8 and kInt16: inputs that a FakeQuant reads first, and outputs that one writes last, are integers in
  /// the file, with its scale and zero point. Throws Error when the model has none there.
  BoundaryType boundary = BoundaryType::kFloat32;
  /// Exceptions from `boundary`, by the signature's names of inputs and outputs.
  std::map<std::string, BoundaryType> boundary_types;
  /// Inputs that the file takes unnormalised, by name. A kUInt8 or kInt8 one needs no FakeQuant: its scale is 1 / std.
  /// The `type` of an entry is set from `boundary`.
  std::map<std::string, InputStatistics> input_statistics;
  /// What 8-bit FakeQuants become: INT8, UINT8 (one scale for each weight tensor) or INT16 (activations; weights INT8).
  tflite::Type integers = tflite::Type::INT8;
  /// How what has no FakeQuant is stored and computed.
  tflite::WeightOptions weights;
  /// Whether an input or output, by position, is channel-last in the file (rank 3 or more); one entry stands for all.
  /// None: those of rank 4 of a model with images in it. Means nothing where `nchw_transpose` is false.
  std::vector<std::optional<bool>> input_transpose, output_transpose;
  /// Which inputs and outputs `boundary` is for, by position; the others stay FLOAT32. None: all of them.
  std::optional<std::vector<size_t>> fuse_input_indices, fuse_output_indices;
  /// Inputs and outputs that no FakeQuant lets have the type of `boundary` stay FLOAT32, with a note.
  bool fuse_where_possible = false;
  /// Every tensor that goes from one module to another is an output of the file too, under the module's path.
  bool preserve_tensors = false;
  int max_transpose_dims = -1;  ///< No TRANSPOSE in the file has more dimensions (3 or more); -1: any number.
  /// Names of the outputs in the signature; empty: as LowerOptions says.
  std::vector<std::string> output_names;
  /// Whose kernels the file is made for: it decides the forms of operations that have several.
  tflite::Target target = tflite::Target::kLitert;
  /// Forms that are written or left whatever the target's measured costs say.
  tflite::FormOverrides forms;
  /// How LSTM, GRU and RNN layers are written.
  RecurrentForm recurrent = RecurrentForm::kUnrolled;
  /// Directory that gets the model in text form after the lowering and after every pass; none when empty.
  std::filesystem::path dump_passes;
};

/// A TRANSPOSE in the file.
struct RemainingTranspose {
  std::string tensor;  ///< Its output, named after module and operator.
  std::vector<int64_t> shape;
  std::string reason;
};

struct ConvertReport {
  std::map<std::string, int> operators;  ///< How many of each kind: {"CONV_2D": 52, ...}.
  std::vector<RemainingTranspose> transposes;
  /// For each input and output of the file: dimension i is dimension order[i] of the PyTorch tensor.
  std::vector<std::vector<int64_t>> input_orders, output_orders;
  bool quantized = false;  ///< Whether a tensor has a scale.
  /// What the target does not accept: operators that fall back to the CPU (ethos-u) or that it has no kernel for.
  std::vector<tflite::TargetIssue> target_issues;
  std::vector<std::string> notes;  ///< What could not be done as asked: weights that had to stay FLOAT32, ...
};

struct ConvertResult {
  tflite::Model model;  ///< Physical form, verified; tflite::write_tflite puts it into a file.
  ConvertReport report;
};

/// From a captured model (float, or with FakeQuants: mixed precision as they stand) to a verified TFLite model: lower,
/// assign layouts, optimise, fold the quantization, verify. The graph is not changed. Throws Error with one diagnostic
/// for everything that cannot be converted.
ConvertResult convert(const Graph& graph, const ConvertOptions& options = {});

}  // namespace tinyml
