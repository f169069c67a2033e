#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "commands.h"
#include "load.h"
#include "text.h"
#include "tinyml/archive.h"
#include "tinyml/quantize.h"
#include "tinyml/remove_fake_quants.h"

namespace tinyml::cli {
namespace {

constexpr const char* kFooter = R"(
Back to the float model: FakeQuants are removed and folded batch norms are layers of their own again, with the weights and
statistics as they are now:
  tinyml dequantize q.pt2 -o float.pt2)";

struct Options {
  std::string input, output;
};

void run(const Options& options, const Common& common) {
  require_suffix("--output", options.output, {".pt2"});
  Progress progress(common.quiet);
  const Graph graph = load_graph(options.input, progress);
  if (!is_quantized(graph)) {
    throw Error(fmt::format("'{}' has no FakeQuants: it is a float model already", options.input),
                "give a model that tinyml quantize, QATQuantizer or PostQuantizer made");
  }
  write_pt2(remove_fake_quants(graph), options.output);
  progress.done(fmt::format("wrote {}", options.output));
}

}  // namespace

void add_dequantize(CLI::App& app, const Common& common) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("dequantize", "Remove FakeQuants: from a quantized model to the float one");
  command->footer(kFooter);
  command->add_option("model", options->input, "The fake-quantized model, a .pt2 archive")->required();
  command->add_option("-o,--output", options->output, "The .pt2 archive to write")->required();
  command->callback([options, &common] { run(*options, common); });
}

}  // namespace tinyml::cli
