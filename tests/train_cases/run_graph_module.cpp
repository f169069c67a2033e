// Runs GraphModules on cases that PyTorch wrote, for tests/python/test_train.py: run_graph_module FOLDER...
//
// A folder holds model.pt2, mode.txt ("train" or "eval", then optionally "raw": not normalized), input0.npy, ...,
// output0.npy, ..., cotangent0.npy, ... (of the outputs that have gradients), grad.NAME.npy of parameters,
// inputgrad0.npy, ..., state.NAME.npy of buffers after the pass. For each of these one line is printed: the folder, the
// file, and the largest difference over the largest absolute value expected.
//
// With mode "sgd": the model of one input is trained on input0.npy, input1.npy, ... in turn by plain gradient descent
// with step size 0.02 on sum(output * cotangent0); then output0.npy (in eval mode, of input0.npy) and state.NAME.npy
// are compared. "calibrate": ranges are found from the inputs, then the same is compared.
#include <ATen/Context.h>
#include <ATen/Functions.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <cstdio>
#include <filesystem>
#include <fstream>

#include "tinyml/archive.h"
#include "tinyml/functionalize.h"
#include "tinyml/npy.h"
#include "tinyml/train.h"

namespace {

namespace fs = std::filesystem;
using tinyml::train::GraphModule;

at::Tensor read(const fs::path& path) { return tinyml::train::to_torch(tinyml::read_npy(path)); }

std::vector<at::Tensor> read_all(const fs::path& folder, const std::string& name) {
  std::vector<at::Tensor> tensors;
  for (int i = 0; fs::exists(folder / fmt::format("{}{}.npy", name, i)); ++i) {
    tensors.push_back(read(folder / fmt::format("{}{}.npy", name, i)));
  }
  return tensors;
}

double difference(const at::Tensor& found, const at::Tensor& expected) {
  if (!found.defined() || found.sizes() != expected.sizes()) return 1e30;
  if (expected.numel() == 0) return 0;
  const at::Tensor a = found.detach().to(at::kDouble);
  const at::Tensor b = expected.to(at::kDouble);
  const double scale = b.abs().max().item<double>();
  const double error = at::nan_to_num(a - b, 1e30, 1e30, 1e30).abs().max().item<double>();
  return scale > 0 ? error / scale : error;
}

void descend(GraphModule& module, const at::Tensor& input, const at::Tensor& cotangent) {
  module.zero_grad();
  (module.forward(input) * cotangent).sum().backward();
  const at::AutoGradMode no_grad(false);
  for (at::Tensor& parameter : module.parameters()) {
    if (parameter.grad().defined()) parameter.sub_(parameter.grad(), 0.02);
  }
}

void prepare(GraphModule& module, const std::string& mode, const fs::path& folder) {
  const std::vector<at::Tensor> inputs = read_all(folder, "input");
  if (mode == "sgd") {
    module.train();
    for (const at::Tensor& input : inputs) descend(module, input, read(folder / "cotangent0.npy"));
  } else {
    std::vector<std::vector<at::Tensor>> samples;
    for (const at::Tensor& input : inputs) samples.push_back({input});
    module.calibrate(samples);
  }
  module.eval();
}

void run(const fs::path& folder) {
  std::string mode;
  std::string form;
  std::ifstream(folder / "mode.txt") >> mode >> form;
  tinyml::Graph graph = tinyml::read_pt2(folder / "model.pt2");
  if (form != "raw") graph = tinyml::normalize(graph);
  GraphModule module(graph);
  const bool one_pass = mode == "train" || mode == "eval";
  if (one_pass) {
    module.train(mode == "train");
  } else {
    prepare(module, mode, folder);
  }
  const auto report = [&](const std::string& file, const at::Tensor& found, const at::Tensor& expected) {
    fmt::print("{} {} {:.3g}\n", folder.string(), file, difference(found, expected));
  };

  std::vector<at::Tensor> inputs = read_all(folder, "input");
  if (!one_pass) inputs.resize(1);
  const std::vector<at::Tensor> input_gradients = read_all(folder, "inputgrad");
  for (size_t i = 0; i < input_gradients.size(); ++i) inputs[i].requires_grad_();
  at::manual_seed(0);
  const std::vector<at::Tensor> outputs = module.forward(inputs);
  const std::vector<at::Tensor> expected = read_all(folder, "output");
  for (size_t i = 0; i < expected.size(); ++i) report(fmt::format("output{}", i), outputs.at(i), expected[i]);

  at::Tensor loss;
  const std::vector<at::Tensor> cotangents = one_pass ? read_all(folder, "cotangent") : std::vector<at::Tensor>();
  for (size_t i = 0; i < cotangents.size(); ++i) {
    if (!outputs.at(i).requires_grad()) continue;
    const at::Tensor term = (outputs[i] * cotangents[i]).sum();
    loss = loss.defined() ? loss + term : term;
  }
  if (loss.defined()) loss.backward();
  for (size_t i = 0; i < input_gradients.size(); ++i) {
    report(fmt::format("inputgrad{}", i), inputs[i].grad(), input_gradients[i]);
  }
  for (const auto& [name, tensor] : module.state_dict()) {
    if (const fs::path file = folder / ("grad." + name + ".npy"); fs::exists(file)) {
      report("grad." + name, tensor.grad(), read(file));
    }
    if (const fs::path file = folder / ("state." + name + ".npy"); fs::exists(file)) {
      report("state." + name, tensor, read(file));
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  at::set_num_threads(1);
  int status = 0;
  for (int i = 1; i < argc; ++i) {
    try {
      run(argv[i]);
    } catch (const std::exception& error) {
      fmt::print(stderr, "{}: {}\n", argv[i], error.what());
      status = 1;
    }
  }
  return status;
}
