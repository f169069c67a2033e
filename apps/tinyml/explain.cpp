#include "tinyml/explain.h"

#include <fmt/format.h>

#include <filesystem>
#include <memory>
#include <random>

#include "commands.h"
#include "litert.h"
#include "load.h"
#include "samples.h"
#include "text.h"

namespace tinyml::cli {
namespace {

constexpr const char* kFooter = R"(
Where does a quantized file lose accuracy? Runs the file in LiteRT and the model it was converted from in the evaluator:
for each layer the signal-to-noise ratio against the float model, the same for the layer alone (on the file's own inputs),
the cause and what to do about it.
  tinyml explain model_q.tflite --against q.pt2 --inputs images.npy
  tinyml explain model_q.tflite --against q.pt2 --inputs images.npz --html report.html

--against is the model with FakeQuants, as `tinyml quantize` or torch.export.save wrote it; the float model is the same
without them. LiteRT is found as for `tinyml verify`.)";

struct Options {
  std::string input, against, html, litert;
  std::vector<std::string> inputs;
  size_t limit = 4;
};

// A folder of its own for the file with more outputs, removed at the end.
class TemporaryFile {
 public:
  TemporaryFile() {
    std::random_device random;
    folder_ = std::filesystem::temp_directory_path() / fmt::format("tinyml_{:08x}{:08x}", random(), random());
    std::filesystem::create_directory(folder_);
  }
  ~TemporaryFile() {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  std::string path() const { return (folder_ / "probed.tflite").string(); }

 private:
  std::filesystem::path folder_;
};

void run(const Options& options, const Common& common) {
  require_suffix("model", options.input, {".tflite"});
  if (!options.html.empty()) require_suffix("--html", options.html, {".html"});
  Progress progress(common.quiet);
  const tflite::Model file = tflite::read_tflite(options.input);
  const Graph graph = load_graph(options.against, progress);
  const std::vector<std::vector<Tensor>> samples = read_samples(graph, options.inputs, options.limit);
  const LiteRt runtime(options.litert);
  const TemporaryFile temporary;
  const Explanation found = explain(file, graph, samples, [&](const tflite::Model& probed, const NamedBytes& inputs) {
    tflite::write_tflite(probed, temporary.path());
    return runtime.run(temporary.path(), inputs);
  });
  progress.done(fmt::format("compared {} layers on {} runs", found.layers.size(), samples.size()));
  if (!options.html.empty()) {
    print_or_write(options.html, to_html(found, options.input));
    progress.done(fmt::format("wrote {}", options.html));
  }
  print_or_write("", to_string(found));
}

}  // namespace

void add_explain(CLI::App& app, const Common& common) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("explain", "Say where a quantized TFLite file loses accuracy, and why");
  command->footer(kFooter);
  command->add_option("model", options->input, "The .tflite file")->required();
  command->add_option("--against", options->against, "The model with FakeQuants it was made from, a .pt2 archive")
      ->required();
  command->add_option("--inputs", options->inputs, "Example inputs, as for quantize --calibration")
      ->required()
      ->allow_extra_args(false);
  command->add_option("--limit", options->limit, "Use so many runs at most")->capture_default_str();
  command->add_option("--html", options->html, "Write a page with all layers, too");
  command->add_option("--litert", options->litert, "LiteRT's shared library, libLiteRt.so");
  command->callback([options, &common] { run(*options, common); });
}

}  // namespace tinyml::cli
