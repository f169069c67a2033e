#include <fmt/format.h>

#include <cstdio>
#include <exception>

#include "commands.h"
#include "tinyml/error.h"

namespace {

constexpr int kBadInput = 1;
constexpr int kBadUsage = 2;

constexpr const char* kFooter = R"(
Start with a model that PyTorch exported:
  torch.export.save(torch.export.export(model, (x,)), "model.pt2")

Then, for example:
  tinyml info model.pt2                                  what is in it: layers, shapes, cost
  tinyml deps model.pt2                                  which channels live and die together
  tinyml prune model.pt2 --sparsity 0.5 -o pruned.pt2    cut half of the channels; finetune it in PyTorch
  tinyml quantize pruned.pt2 --calibration x.npy -o q.pt2    find int8 ranges from example inputs
  tinyml convert q.pt2 -o model.tflite                   int8 where the model has FakeQuant, float elsewhere
  tinyml verify model.tflite --against q.pt2             does the file compute what the model does?
  tinyml evaluate model.tflite --inputs x.npy --labels y.npy    how often is it right?
  tinyml explain model.tflite --against q.pt2 --inputs x.npy    which layers lose accuracy, and why

Every command explains itself: tinyml COMMAND --help.
Exit codes: 0 done, 1 bad input (the reason is on stderr), 2 bad usage. Nothing half-written is left behind.)";

int run(int argc, char** argv) {
  CLI::App app{"Prune, quantize and convert PyTorch models to TFLite", "tinyml"};
  app.footer(kFooter);
  app.require_subcommand(1);
  app.set_version_flag("--version", "tinyml " TINYML_VERSION);
  tinyml::cli::Common common;
  app.add_flag("-q,--quiet", common.quiet, "No progress on stderr");
  app.fallthrough();

  tinyml::cli::add_info(app, common);
  tinyml::cli::add_deps(app, common);
  tinyml::cli::add_codegen(app, common);
  tinyml::cli::add_prune(app, common);
  tinyml::cli::add_profile(app, common);
  tinyml::cli::add_sensitivity(app, common);
  tinyml::cli::add_quantize(app, common);
  tinyml::cli::add_dequantize(app, common);
  tinyml::cli::add_convert(app, common);
  tinyml::cli::add_ops(app, common);
  tinyml::cli::add_optimize(app, common);
  tinyml::cli::add_verify(app, common);
  tinyml::cli::add_evaluate(app, common);
  tinyml::cli::add_explain(app, common);

  try {
    app.parse(argc, argv);
    return 0;
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kBadUsage;
  }
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const tinyml::Error& error) {
    fmt::print(stderr, "tinyml: {}\n", error.what());
  } catch (const std::exception& error) {
    fmt::print(stderr, "tinyml: {}\n", error.what());
  }
  return kBadInput;
}
