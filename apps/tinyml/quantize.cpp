#include "tinyml/quantize.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "commands.h"
#include "load.h"
#include "samples.h"
#include "search_options.h"
#include "text.h"
#include "tinyml/archive.h"
#include "tinyml/atomic_file.h"
#include "tinyml/calibration.h"
#include "tinyml/equalize.h"
#include "tinyml/layer_config.h"
#include "tinyml/refine.h"

namespace tinyml::cli {
namespace {

constexpr size_t kRoundingSamples = 32;  // That weights are rounded with.

constexpr const char* kFooter = R"(
Post-training quantization, without Python: finds the range of every activation by running examples through the model, and
writes a model with FakeQuants that can be finetuned or converted:
  tinyml quantize model.pt2 --calibration images.npy -o q.pt2
  tinyml quantize model.pt2 --calibration images.npy -c quantization.yaml -o q.pt2
  tinyml quantize model.pt2 --calibration images.npy --layers layers.yaml -o q.pt2   writes layers.yaml; edit it, run again
  tinyml quantize model.pt2 --calibration a.npy --calibration b.npy -o q.pt2     one file for each input
  tinyml quantize model.pt2 --calibration x.npz -o q.pt2                         numpy.savez("x.npz", image=a, mask=b)
  tinyml quantize model.pt2 --calibration images.npy --search snr=40 --layers layers.yaml -o q.pt2   mixed precision
  tinyml convert q.pt2 -o model_q.tflite

The first dimension of the array counts the examples: numpy.save("images.npy", images) with 100 images of the model's input
size is plenty. A model that has FakeQuants already, from quantization-aware training, needs no quantize: convert it; or
give --calibration to find its ranges anew. Training with quantization is done in Python: tinyml.QATQuantizer.)";

struct Options {
  std::string input, output, config, layers;
  std::vector<std::string> calibration;
  size_t limit = 0;
  SearchOptions search;
};

void run(const Options& options, const Common& common) {
  require_suffix("--output", options.output, {".pt2"});
  if (!options.layers.empty()) require_suffix("--layers", options.layers, {".yaml", ".yml"});
  Progress progress(common.quiet);
  Graph graph = load_graph(options.input, progress);
  const bool had_fake_quant = is_quantized(graph);
  if (had_fake_quant && (!options.search.target.empty() || !options.layers.empty())) {
    throw Error(fmt::format("'{}' has FakeQuants already: precisions are chosen for float models", options.input),
                "give the float model, or make it with 'tinyml dequantize'");
  }
  if (options.calibration.empty()) {
    if (had_fake_quant) {
      throw Error(fmt::format("'{}' has FakeQuants already", options.input),
                  "convert it as it is, or give --calibration to find its ranges anew");
    }
    throw Error(fmt::format("'{}' needs example inputs to find the ranges of its activations", options.input),
                "give --calibration examples.npy, or train with tinyml.QATQuantizer in Python");
  }
  const std::vector<std::vector<Tensor>> samples = read_samples(graph, options.calibration, options.limit);
  QuantizationReport report;
  QuantizationScheme scheme =
      parse_scheme(options.config.empty() ? "algorithm: mse" : read_file(options.config, "configuration"));
  if (!had_fake_quant) {
    if (scheme.cross_layer_equalization) {
      std::vector<std::pair<std::string, std::string>> pairs;
      graph = equalize_layers(graph, &pairs);
      progress.done(fmt::format("equalized {} pairs of layers", pairs.size()));
    }
    if (scheme.high_bias_absorption) {
      size_t absorbed = 0;
      graph = absorb_high_biases(graph, &absorbed);
      progress.done(fmt::format("absorbed the biases of {} channels", absorbed));
    }
    graph = rewrite(fuse(graph), scheme);
    if (!options.search.target.empty()) {
      const std::string text = run_search(options.search, graph, scheme, samples, progress);
      if (!options.layers.empty()) write_file(options.layers, text);
      scheme = apply_layer_config(text, "the search's choice", graph, scheme);
    } else if (!options.layers.empty() && !scheme.ignore_layerwise_config) {
      scheme = sync_layer_config(options.layers, graph, scheme);
    }
    graph = quantize(graph, scheme, &report);
    progress.done(fmt::format("inserted FakeQuants: {} operators on integers, {} stay float",
                              report.quantized_operators, report.float_operators.size()));
  }
  graph = calibrate(graph, samples, [&](size_t index) {
    const size_t step = (samples.size() + 9) / 10;
    if ((index + 1) % step == 0 || index + 1 == samples.size()) {
      progress.done(fmt::format("calibrated with {} of {} runs", index + 1, samples.size()));
    }
  });
  if (scheme.adaptive_rounding || scheme.bias_correction) {
    const Tensor& first = samples.at(0).at(0);
    const int64_t examples = first.rank() > 0 ? first.size(0) : 1;
    const size_t most = scheme.adaptive_rounding ? kRoundingSamples : runs_to_correct_biases(graph, examples);
    const auto end = samples.begin() + static_cast<std::ptrdiff_t>(std::min(most, samples.size()));
    graph = refine(graph, {samples.begin(), end}, {scheme.adaptive_rounding, scheme.bias_correction});
    progress.done("refined the layers");
  }
  write_pt2(graph, options.output);
  progress.done(fmt::format("wrote {}", options.output));
  if (!had_fake_quant) print_or_write("", report.to_string() + "\n");
}

}  // namespace

void add_quantize(CLI::App& app, const Common& common) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("quantize", "Insert FakeQuants and find the ranges of activations");
  command->footer(kFooter);
  command->add_option("model", options->input, "The model, a .pt2 archive")->required();
  command->add_option("-o,--output", options->output, "The .pt2 archive to write")->required();
  command
      ->add_option("--calibration", options->calibration,
                   "Example inputs: a .npy file for each input of the model, or one .npz file")
      ->allow_extra_args(false);
  command->add_option("-c,--config", options->config, "YAML or JSON file; see docs/quantization.md");
  command->add_option("--layers", options->layers,
                      "The precision of every layer, a .yaml file: written where there is none, else read; edit it");
  command->add_option("--limit", options->limit, "Use so many runs at most");
  add_search_options(*command, options->search);
  command->callback([options, &common] { run(*options, common); });
}

}  // namespace tinyml::cli
