#include "tinyml/convert.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <memory>

#include "boundary_options.h"
#include "commands.h"
#include "familiar_options.h"
#include "load.h"
#include "text.h"
#include "tinyml/tflite.h"

namespace tinyml::cli {
namespace {

constexpr const char* kFooter = R"(
The file is checked (shapes, scales, zero points, versions) before it is written:
  tinyml convert model.pt2 -o model.tflite                  a float model gives a float file
  tinyml convert qat.pt2 -o model_q.tflite                  int8 wherever the model has FakeQuant
  tinyml convert qat.pt2 -o model_q.tflite --io int8        int8 inputs and outputs as well
  tinyml convert model.pt2 -o m.tflite --precision float16  weights of half the size
  tinyml convert model.pt2 -o model.tflite --keep-layout    images stay NCHW

Images are NHWC in the file unless --keep-layout is given: a PyTorch input of 1x3x224x224 becomes 1x224x224x3.
To compare the file with the model, in Python: TFLiteConverter(..., verify=True).convert())";

struct Options {
  std::string input, output, precision = "float32", integers = "int8", target = "litert", dump, recurrent = "unrolled";
  std::vector<std::string> output_names, forms, io, input_statistics;
  bool keep_layout = false, per_tensor_weights = false;
  FamiliarOptions familiar;
};

std::string operators_text(const ConvertReport& report) {
  std::vector<std::pair<std::string, int>> sorted(report.operators.begin(), report.operators.end());
  std::stable_sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
  std::vector<std::string> items;
  for (const auto& [name, count] : sorted) items.push_back(fmt::format("{} {}", count, name));
  return fmt::format("{}", fmt::join(items, ", "));
}

void run(const Options& options, const Common& common) {
  require_suffix("--output", options.output, {".tflite"});
  Progress progress(common.quiet);
  const Graph graph = load_graph(options.input, progress);
  ConvertOptions wanted;
  wanted.nchw_transpose = !options.keep_layout;
  read_boundary_types(options.io, wanted);
  read_input_statistics(options.input_statistics, wanted);
  wanted.integers = parse_integer_type(options.integers);
  wanted.weights.precision = tflite::parse_precision(options.precision);
  wanted.weights.per_channel = !options.per_tensor_weights;
  wanted.output_names = options.output_names;
  wanted.target = tflite::parse_target(options.target);
  wanted.forms = tflite::parse_forms(options.forms);
  wanted.recurrent = parse_recurrent_form(options.recurrent);
  wanted.dump_passes = options.dump;
  apply_familiar_options(options.familiar, !options.io.empty(), wanted);
  const ConvertResult result = convert(graph, wanted);
  progress.done(fmt::format("converted ({}): {}", result.report.quantized ? "quantized" : "float",
                            operators_text(result.report)));
  tflite::write_tflite(result.model, options.output);
  std::error_code ignored;
  const uintmax_t size = std::filesystem::file_size(options.output, ignored);
  progress.done(fmt::format("wrote {}: {}", options.output, bytes_text(size)));
  if (common.quiet) return;
  for (const std::string& note : result.report.notes) fmt::print(stderr, "note: {}\n", note);
  if (!result.report.transposes.empty()) {
    fmt::print(stderr, "note: {} TRANSPOSE operators remain\n", result.report.transposes.size());
  }
  for (const RemainingTranspose& transpose : result.report.transposes) {
    fmt::print(stderr, "  of [{}] at {}: {}\n", fmt::join(transpose.shape, ", "), transpose.tensor, transpose.reason);
  }
  for (const tflite::TargetIssue& issue : result.report.target_issues) {
    fmt::print(stderr, "note: not on {}: {} at {}: {}\n", options.target, tflite::to_string(issue.op), issue.tensor,
               issue.reason);
  }
}

}  // namespace

void add_convert(CLI::App& app, const Common& common) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("convert", "Convert the model to a TFLite file");
  command->footer(kFooter);
  command->add_option("model", options->input, "The model, a .pt2 archive")->required();
  command->add_option("-o,--output", options->output, "The .tflite file to write")->required();
  command
      ->add_option("--io", options->io,
                   "Type of a quantized model's inputs and outputs: float32, int8, uint8, int16, or NAME=TYPE for one")
      ->allow_extra_args(false);
  command
      ->add_option("--input-statistics", options->input_statistics,
                   "NAME=MEAN,STD: the file takes that input as x, the model gets (x - mean) / std; numbers for each "
                   "channel are joined by colons")
      ->allow_extra_args(false);
  command->add_option("--target", options->target, "Whose kernels the file is made for")
      ->check(CLI::IsMember(tflite::target_names()))
      ->capture_default_str();
  command
      ->add_option("--precision", options->precision,
                   "Of what has no FakeQuant: float16 weights, or int8 weights and activations quantized at run time "
                   "(dynamic_range)")
      ->check(CLI::IsMember({"float32", "float16", "dynamic_range"}))
      ->capture_default_str();
  command->add_option("--quantize-target-type", options->integers, "What 8-bit FakeQuants become")
      ->check(CLI::IsMember({"int8", "uint8", "int16"}))
      ->capture_default_str();
  command->add_flag("--per-tensor-weights", options->per_tensor_weights,
                    "With --precision dynamic_range: one scale for each weight tensor");
  command->add_option("--forms", options->forms, "Forms to write always or never: --forms=+groups,-tables")
      ->delimiter(',')
      ->allow_extra_args(false);
  command->add_flag("--keep-layout", options->keep_layout, "Keep NCHW inputs and outputs as PyTorch has them");
  command->add_option("--output-names", options->output_names, "Names of the outputs in the file's signature, in order")
      ->delimiter(',')
      ->allow_extra_args(false);
  command->add_option("--recurrent", options->recurrent, "How LSTM, GRU and RNN layers are written")
      ->check(CLI::IsMember({"unrolled", "fused", "while"}))
      ->capture_default_str();
  command->add_option("--dump-passes", options->dump, "Directory for the model as text after every pass");
  add_familiar_options(*command, options->familiar);
  command->callback([options, &common] { run(*options, common); });
}

}  // namespace tinyml::cli
