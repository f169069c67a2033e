#include "tinyml/evaluate.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <numeric>
#include <optional>

#include "commands.h"
#include "file_values.h"
#include "litert.h"
#include "load.h"
#include "samples.h"
#include "text.h"
#include "tinyml/npy.h"
#include "tinyml/tflite.h"

namespace tinyml::cli {
namespace {

constexpr const char* kFooter = R"(
How often a classifier is right, on labelled examples:
  tinyml evaluate model.pt2 --inputs images.npy --labels labels.npy
  tinyml evaluate model.tflite --inputs images.npy --labels labels.npy --at-least 0.95
  tinyml evaluate model.pt2 --inputs x.npz --labels labels.npy --metric top5 --limit 100

The first dimension of every array counts the examples; labels are the numbers of the classes. A .pt2 is computed by the
library's own evaluator, FakeQuants included, a .tflite by LiteRT (see 'tinyml verify --help' for where it is looked for);
images for a .tflite may be in PyTorch's order or in the file's.
Exit codes: 0 done, 1 bad input or less than --at-least.)";

struct Options {
  std::string input, labels, litert, metric = "top1";
  std::vector<std::string> inputs;
  size_t limit = 0, output = 0;
  std::optional<double> at_least;
};

// One run's scores: [examples, classes].
using Run = std::function<Tensor(const std::vector<Tensor>&)>;

struct Classifier {
  std::vector<std::vector<Tensor>> samples;
  Run run;
};

Classifier graph_classifier(const Options& options, Progress& progress) {
  auto graph = std::make_shared<const Graph>(load_graph(options.input, progress));
  check_evaluable(*graph);
  Classifier result{read_samples(*graph, options.inputs, options.limit, "--inputs"), {}};
  result.run = [graph, index = options.output](const std::vector<Tensor>& inputs) {
    const std::vector<Tensor> outputs = evaluate(*graph, inputs);
    if (index >= outputs.size()) throw Error(fmt::format("the model has {} outputs", outputs.size()));
    return outputs[index];
  };
  return result;
}

// The file's inputs as a graph has them, images in PyTorch's order or as they are stored.
Graph inputs_of(const tflite::Model& file, const std::vector<FileTensor>& inputs, bool channels_first) {
  Graph graph;
  for (const FileTensor& input : inputs) {
    const tflite::Tensor& tensor = file.subgraphs[0].tensors[static_cast<size_t>(input.second)];
    std::vector<int64_t> sizes(tensor.shape.begin(), tensor.shape.end());
    if (channels_first && sizes.size() == 4) sizes = {sizes[0], sizes[3], sizes[1], sizes[2]};
    graph.add_input(input.first, TensorType::of(ScalarType::kFloat64, sizes));
  }
  return graph;
}

std::vector<std::vector<Tensor>> samples_for(const tflite::Model& file, const std::vector<FileTensor>& inputs,
                                             const Options& options) {
  try {
    return read_samples(inputs_of(file, inputs, true), options.inputs, options.limit, "--inputs");
  } catch (const Error&) {
    return read_samples(inputs_of(file, inputs, false), options.inputs, options.limit, "--inputs");
  }
}

Classifier file_classifier(const Options& options) {
  const auto file = std::make_shared<const tflite::Model>(tflite::read_tflite(options.input));
  const std::vector<FileTensor> inputs = boundary(*file, true);
  const std::vector<FileTensor> outputs = boundary(*file, false);
  if (options.output >= outputs.size()) throw Error(fmt::format("the file has {} outputs", outputs.size()));
  const FileTensor output = outputs[options.output];
  const auto runtime = std::make_shared<const LiteRt>(options.litert);
  const auto run = runtime->open(options.input);
  Classifier result{samples_for(*file, inputs, options), {}};
  result.run = [file, inputs, output, runtime, run](const std::vector<Tensor>& values) {
    const auto& tensors = file->subgraphs[0].tensors;
    NamedBytes given;
    for (size_t i = 0; i < values.size(); ++i) {
      const tflite::Tensor& tensor = tensors[static_cast<size_t>(inputs[i].second)];
      given.emplace_back(inputs[i].first, to_file(values[i], tensor, order_in_file(tensor, values[i].shape(), false)));
    }
    const NamedBytes results = run(given);
    const auto made =
        std::find_if(results.begin(), results.end(), [&](const auto& entry) { return entry.first == output.first; });
    if (made == results.end()) throw Error(fmt::format("the runtime returned no output '{}'", output.first));
    const tflite::Tensor& tensor = tensors[static_cast<size_t>(output.second)];
    const std::vector<int64_t> sizes(tensor.shape.begin(), tensor.shape.end());
    const int64_t count = std::accumulate(sizes.begin(), sizes.end(), int64_t{1}, std::multiplies<>());
    return Tensor::from(from_file(made->second, tensor, static_cast<size_t>(count)), sizes);
  };
  return result;
}

// Whether fewer than `k` classes have a higher score than the right one; of equal scores the first counts as higher.
bool is_among_first(const double* scores, int64_t classes, int64_t label, int64_t k) {
  int64_t higher = 0;
  for (int64_t i = 0; i < classes; ++i) {
    higher += scores[i] > scores[label] || (scores[i] == scores[label] && i < label) ? 1 : 0;
  }
  return higher < k;
}

void run(const Options& options, const Common& common) {
  require_suffix("model", options.input, {".pt2", ".tflite"});
  Progress progress(common.quiet);
  const Tensor labels = read_npy(options.labels);
  if (labels.rank() != 1 || !is_integral(labels.type())) {
    throw Error(fmt::format("'{}' has the shape [{}] and the type {}", options.labels, fmt::join(labels.shape(), ", "),
                            name_of(labels.type())),
                "labels are one integer for each example");
  }
  const std::vector<double> right = labels.to_doubles();
  const Classifier classifier =
      options.input.ends_with(".tflite") ? file_classifier(options) : graph_classifier(options, progress);
  const int64_t k = options.metric == "top5" ? 5 : 1;
  size_t seen = 0;
  size_t hits = 0;
  for (const std::vector<Tensor>& sample : classifier.samples) {
    const Tensor scores = classifier.run(sample);
    if (scores.rank() != 2) {
      throw Error(fmt::format("the output has the shape [{}]", fmt::join(scores.shape(), ", ")),
                  "a classifier's is [examples, classes]; choose another with --output");
    }
    const std::vector<double> values = scores.to_doubles();
    const int64_t classes = scores.size(1);
    for (int64_t i = 0; i < scores.size(0); ++i, ++seen) {
      if (seen >= right.size()) {
        throw Error(fmt::format("there are more examples than the {} labels in '{}'", right.size(), options.labels));
      }
      const auto label = static_cast<int64_t>(right[seen]);
      if (label < 0 || label >= classes) {
        throw Error(fmt::format("label {} of example {} is not one of {} classes", label, seen, classes));
      }
      hits += is_among_first(values.data() + i * classes, classes, label, k) ? 1 : 0;
    }
  }
  const double accuracy = static_cast<double>(hits) / static_cast<double>(seen);
  fmt::print("{} {:.4f} ({} of {} examples)\n", options.metric, accuracy, hits, seen);
  if (options.at_least && accuracy < *options.at_least) {
    throw Error(fmt::format("{} is {:.4f}, less than {}", options.metric, accuracy, *options.at_least));
  }
}

}  // namespace

void add_evaluate(CLI::App& app, const Common& common) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("evaluate", "Measure a classifier's accuracy on labelled examples");
  command->footer(kFooter);
  command->add_option("model", options->input, "A .pt2 archive or a .tflite file")->required();
  command->add_option("--inputs", options->inputs, "A .npy file for each input of the model, or one .npz file")
      ->required()
      ->delimiter(',')
      ->allow_extra_args(false);
  command->add_option("--labels", options->labels, "The right classes, a .npy file of integers")->required();
  command->add_option("--metric", options->metric, "top1 or top5")
      ->check(CLI::IsMember({"top1", "top5"}))
      ->capture_default_str();
  command->add_option("--output", options->output, "Which output holds the scores, from 0")->capture_default_str();
  command->add_option("--limit", options->limit, "Use so many runs at most");
  command->add_option("--at-least", options->at_least, "Fail when the accuracy is less");
  command->add_option("--litert", options->litert, "LiteRT's shared library, libLiteRt.so");
  command->callback([options, &common] { run(*options, common); });
}

}  // namespace tinyml::cli
