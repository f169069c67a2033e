#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <memory>

#include "commands.h"
#include "compare_file.h"
#include "load.h"
#include "text.h"
#include "tinyml/error.h"
#include "tinyml/tflite.h"
#include "tinyml/tflite_verify.h"

namespace tinyml::cli {
namespace {

constexpr const char* kFooter = R"(
Checks what the runtimes do not: scales and zero points, operators that must share them, shapes, element types, operator
versions; with --against also the numbers, on one thread of this machine:
  tinyml verify model.tflite
  tinyml verify model.tflite --against model.pt2                       random inputs
  tinyml verify model.tflite --against model.pt2 --inputs image.npy    given ones, one file for each input

--against runs the file in LiteRT, which has to be installed (pip install ai-edge-litert); its library is found by
--litert, $TINYML_LITERT, the system, or $VIRTUAL_ENV, in that order.
Exit codes: 0 sound, 1 not sound, out of tolerance, or not to be run here.)";

struct Options {
  std::string input, against;
  double tolerance = 1e-3, min_snr = 20;
  CompareOptions compare;
};

bool is_quantized(const tflite::Model& model) {
  return std::any_of(model.subgraphs[0].tensors.begin(), model.subgraphs[0].tensors.end(),
                     [](const tflite::Tensor& tensor) { return !tensor.quantization.empty(); });
}

void check_numbers(const Options& options, const tflite::Model& model, Progress& progress) {
  const Graph graph = load_graph(options.against, progress);
  const bool quantized = is_quantized(model);
  std::vector<Diagnostic> problems;
  for (const OutputDifference& output : compare_file(options.input, model, graph, options.compare)) {
    const std::string text = fmt::format("output '{}': largest error {:.3g} % of the range, SNR {:.1f} dB", output.name,
                                         100 * output.max_error, output.snr_db);
    fmt::print("{}\n", text);
    const bool fits = quantized ? output.snr_db >= options.min_snr : output.max_error <= options.tolerance;
    if (!fits) problems.push_back({text, "", {}, ""});
  }
  if (!problems.empty()) throw Error("the file is not the model: out of tolerance", std::move(problems));
}

void run(const Options& options, const Common& common) {
  require_suffix("model", options.input, {".tflite"});
  Progress progress(common.quiet);
  const tflite::Model model = tflite::read_tflite(options.input);
  std::vector<Diagnostic> violations = tflite::find_file_violations(options.input);
  if (!violations.empty()) throw Error(fmt::format("{} is not sound:", options.input), std::move(violations));
  progress.done(fmt::format("checked {}: structure, shapes, types, scales, versions", options.input));
  if (!options.against.empty()) check_numbers(options, model, progress);
}

}  // namespace

void add_verify(CLI::App& app, const Common& common) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("verify", "Check a TFLite file, by its rules and against the model");
  command->footer(kFooter);
  command->add_option("model", options->input, "The .tflite file")->required();
  CLI::Option* against =
      command->add_option("--against", options->against, "The model it was made from, a .pt2 archive");
  command->add_option("--inputs", options->compare.inputs, "Values for the inputs, a .npy file for each")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->needs(against);
  command->add_option("--tolerance", options->tolerance, "Float files: largest error over the output's range")
      ->capture_default_str();
  command->add_option("--min-snr", options->min_snr, "Quantized files: least signal-to-noise ratio in dB")
      ->capture_default_str();
  command->add_flag("--keep-layout", options->compare.keep_layout,
                    "The file was converted with --keep-layout; matters only where shapes do not tell");
  command->add_option("--litert", options->compare.litert, "LiteRT's shared library, libLiteRt.so");
  command->callback([options, &common] { run(*options, common); });
}

}  // namespace tinyml::cli
