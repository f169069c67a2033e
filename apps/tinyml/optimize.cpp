#include <fmt/format.h>
#include <fmt/ranges.h>

#include <filesystem>
#include <memory>

#include "commands.h"
#include "describe_tflite.h"
#include "progress.h"
#include "text.h"
#include "tinyml/error.h"
#include "tinyml/tflite.h"
#include "tinyml/tflite_passes.h"
#include "tinyml/tflite_verify.h"

namespace tinyml::cli {
namespace {

constexpr const char* kFooter = R"(
Applies every pass of the converter to a file of any origin (TensorFlow, Keras, JAX, other converters):
  tinyml optimize in.tflite -o out.tflite

Layout conversions that meet cancel out, constants are folded, batch norms, activations and paddings move into the
operators beside them. Inputs, outputs, signatures and metadata stay as they are; operators that are not known here
stay where they are, untouched.)";

struct Options {
  std::string input, output, target = "litert";
};

size_t count(const tflite::Model& model) {
  size_t total = 0;
  for (const tflite::Subgraph& subgraph : model.subgraphs) total += subgraph.operators.size();
  return total;
}

void run(const Options& options, const Common& common) {
  require_suffix("model", options.input, {".tflite"});
  require_suffix("--output", options.output, {".tflite"});
  Progress progress(common.quiet);
  tflite::Model model = tflite::read_tflite(options.input);
  progress.done(fmt::format("read {}: {} operators: {}", options.input, count(model), operators_text(model)));
  const std::vector<Diagnostic> before = tflite::find_violations(model);
  tflite::OptimizeOptions wanted;
  wanted.target = tflite::parse_target(options.target);
  tflite::optimize(model, wanted);
  const std::vector<Diagnostic> after = tflite::find_violations(model);
  if (after.size() > before.size()) throw Error("the optimised model is not sound:", after);
  progress.done(fmt::format("optimised: {} operators: {}", count(model), operators_text(model)));
  tflite::write_tflite(model, options.output);
  std::error_code ignored;
  const auto size = [&](const std::string& path) { return bytes_text(std::filesystem::file_size(path, ignored)); };
  progress.done(fmt::format("wrote {}: {} ({} was {})", options.output, size(options.output), options.input,
                            size(options.input)));
  if (common.quiet) return;
  for (const Diagnostic& found : before) fmt::print(stderr, "note: {}: {}\n", options.input, found.to_string());
}

}  // namespace

void add_optimize(CLI::App& app, const Common& common) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("optimize", "Optimise a TFLite file of any origin");
  command->footer(kFooter);
  command->add_option("model", options->input, "The .tflite file")->required();
  command->add_option("-o,--output", options->output, "The .tflite file to write")->required();
  command->add_option("--target", options->target, "Whose kernels the file is made for")
      ->check(CLI::IsMember(tflite::target_names()))
      ->capture_default_str();
  command->callback([options, &common] { run(*options, common); });
}

}  // namespace tinyml::cli
