#include "familiar_options.h"

#include <fmt/format.h>

#include "tinyml/error.h"

namespace tinyml::cli {
namespace {

constexpr const char* kGroup = "Options under the names of other converters";

// What is done anyway.
constexpr const char* kNeedless[] = {"--missing-outputs-as-constants", "--group-conv-rewrite",
                                     "--rewrite-quantizable",          "--strict-symmetric-check",
                                     "--separated-rnn-gate-calc",      "--map-bilstm-to-lstm"};

std::vector<std::optional<bool>> flags(const char* name, const std::vector<std::string>& words) {
  std::vector<std::optional<bool>> result;
  for (const std::string& word : words) {
    if (word != "true" && word != "false" && word != "none") {
      throw Error(fmt::format("--{} takes true, false or none, not '{}'", name, word));
    }
    result.push_back(word == "none" ? std::nullopt : std::optional<bool>(word == "true"));
  }
  return result;
}

}  // namespace

void add_familiar_options(CLI::App& command, FamiliarOptions& options) {
  const auto list = [&](const char* name, auto& values, const char* text) {
    command.add_option(name, values, text)->delimiter(',')->allow_extra_args(false)->group(kGroup);
  };
  const auto flag = [&](const char* name, bool& value, const char* text) {
    command.add_flag(name, value, text)->group(kGroup);
  };
  list("--input-transpose", options.input_transpose, "Channels last in the file, for each input: true, false or none");
  list("--output-transpose", options.output_transpose, "The same for outputs");
  flag("--fuse-quant-dequant", options.fuse_quant_dequant,
       "Inputs and outputs that have a scale are integers, of --io or else of --quantize-target-type");
  list("--fuse-input-indices", options.fuse_input_indices, "Which inputs that is for; default: all");
  list("--fuse-output-indices", options.fuse_output_indices, "Which outputs that is for; default: all");
  flag("--float16-quantization", options.float16, "--precision float16");
  flag("--hybrid-quantization-from-float", options.hybrid, "--precision dynamic_range");
  flag("--unroll-rnn", options.unroll_rnn, "--recurrent unrolled");
  flag("--tflite-micro-rewrite", options.micro, "--target tflite-micro");
  flag("--preserve-tensors", options.preserve_tensors, "What goes from module to module is an output too");
  command.add_option("--max-transpose-dims", options.max_transpose_dims, "Most dimensions of a TRANSPOSE, 3 or more")
      ->group(kGroup);
  for (const char* name : kNeedless) command.add_flag(name)->description("Done anyway, or not needed")->group(kGroup);
}

void apply_familiar_options(const FamiliarOptions& options, bool io_given, ConvertOptions& wanted) {
  wanted.input_transpose = flags("input-transpose", options.input_transpose);
  wanted.output_transpose = flags("output-transpose", options.output_transpose);
  if (!options.fuse_input_indices.empty()) wanted.fuse_input_indices = options.fuse_input_indices;
  if (!options.fuse_output_indices.empty()) wanted.fuse_output_indices = options.fuse_output_indices;
  wanted.fuse_where_possible = options.fuse_quant_dequant;
  if (options.fuse_quant_dequant && !io_given) {
    wanted.boundary = wanted.integers == tflite::Type::UINT8   ? BoundaryType::kUInt8
                      : wanted.integers == tflite::Type::INT16 ? BoundaryType::kInt16
                                                               : BoundaryType::kInt8;
  }
  wanted.preserve_tensors = options.preserve_tensors;
  wanted.max_transpose_dims = options.max_transpose_dims;
  const auto choose = [](bool given, const char* what, auto& value, auto other, auto usual) {
    if (!given) return;
    if (value != usual && value != other) throw Error(fmt::format("--{} contradicts another option", what));
    value = other;
  };
  choose(options.float16, "float16-quantization", wanted.weights.precision, tflite::parse_precision("float16"),
         tflite::parse_precision("float32"));
  choose(options.hybrid, "hybrid-quantization-from-float", wanted.weights.precision,
         tflite::parse_precision("dynamic_range"), tflite::parse_precision("float32"));
  choose(options.micro, "tflite-micro-rewrite", wanted.target, tflite::parse_target("tflite-micro"),
         tflite::parse_target("litert"));
  choose(options.unroll_rnn, "unroll-rnn", wanted.recurrent, RecurrentForm::kUnrolled, RecurrentForm::kUnrolled);
}

}  // namespace tinyml::cli
