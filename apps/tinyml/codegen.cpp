#include "tinyml/codegen.h"

#include <fmt/format.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "commands.h"
#include "load.h"
#include "text.h"

namespace tinyml::cli {
namespace {

constexpr const char* kFooter = R"(
Writes a Python file that needs only torch, and the weights beside it:
  tinyml codegen model.pt2 -o model.py               model.py and model.safetensors
  tinyml codegen model.pt2 -o model.py --class Net   names the class
  tinyml codegen model.pt2                           prints the code, writes nothing

Then, in Python:
  from model import load
  model = load()          # an nn.Module with the original's state_dict keys; train() and eval() work

With --language cpp a C++ header that needs only LibTorch:
  tinyml codegen model.pt2 --language cpp -o net.h --class Net
  auto model = net::load("net.safetensors");   // a std::shared_ptr<net::Net>, a torch::nn::Module

The code may be edited by hand and loaded again with the same weights.)";

struct Options {
  std::string input, output, weights, class_name = "Model", language = "python";
};

void run(const Options& options, const Common& common) {
  const bool cpp = options.language == "cpp";
  if (!options.output.empty()) {
    require_suffix("--output", options.output,
                   cpp ? std::vector<std::string>{".h", ".hpp", ".hh"} : std::vector<std::string>{".py"});
  }
  if (!options.weights.empty()) {
    require_suffix("--weights", options.weights, {".safetensors"});
    if (options.output.empty()) throw CLI::ValidationError("--weights", "needs --output as well");
  }
  Progress progress(common.quiet);
  const Graph graph = load_graph(options.input, progress);
  if (options.output.empty()) {
    if (cpp) return print_or_write("", generate_cpp(graph, options.class_name).source);
    CodegenOptions codegen;
    codegen.class_name = options.class_name;
    return print_or_write("", generate_python(graph, codegen).source);
  }
  const std::string weights = options.weights.empty()
                                  ? std::filesystem::path(options.output).replace_extension(".safetensors").string()
                                  : options.weights;
  (cpp ? generate_cpp_code : generate_code)(graph, options.output, weights, options.class_name);
  progress.done(fmt::format("wrote {} and {}", options.output, weights));
}

}  // namespace

void add_codegen(CLI::App& app, const Common& common) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      app.add_subcommand("codegen", "Write the model as readable Python or C++ code and a file of weights");
  command->footer(kFooter);
  command->add_option("model", options->input, "The model, a .pt2 archive")->required();
  command->add_option("-o,--output", options->output, "The file of code to write; without it the code is printed");
  command->add_option("--weights", options->weights, "The file of weights; default: beside the code, .safetensors");
  command->add_option("--language", options->language, "python, or cpp: a header for LibTorch")
      ->check(CLI::IsMember({"python", "cpp"}))
      ->capture_default_str();
  command->add_option("--class", options->class_name, "Name of the generated class")->capture_default_str();
  command->callback([options, &common] { run(*options, common); });
}

}  // namespace tinyml::cli
