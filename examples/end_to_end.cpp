// From an untrained network to an int8 .tflite file without Python: trains, prunes, finetunes, trains with quantization
// in the loop, converts. end_to_end FOLDER [EPOCHS]
//
// FOLDER holds digits.pt2, train_x.npy, train_y.npy, test_x.npy and test_y.npy (examples/prepare_digits.py writes them)
// and gets trained.pt2, pruned.pt2, quantized.pt2 and digits.tflite.
#include <ATen/Functions.h>
#include <ATen/core/grad_mode.h>
#include <tinyml/archive.h>
#include <tinyml/convert.h>
#include <tinyml/fix_batch_size.h>
#include <tinyml/functionalize.h>
#include <tinyml/npy.h>
#include <tinyml/prune.h>
#include <tinyml/quantize.h>
#include <tinyml/round_biases.h>
#include <tinyml/tflite.h>
#include <tinyml/train.h>
#include <torch/optim/adamw.h>

#include <cstdlib>
#include <filesystem>
#include <iostream>

namespace {

namespace fs = std::filesystem;
using tinyml::Graph;
using tinyml::train::GraphModule;

struct Digits {
  at::Tensor train_x, train_y, test_x, test_y;

  explicit Digits(const fs::path& folder) {
    const auto read = [&](const char* name) { return tinyml::train::to_torch(tinyml::read_npy(folder / name)); };
    train_x = read("train_x.npy"), train_y = read("train_y.npy");
    test_x = read("test_x.npy"), test_y = read("test_y.npy");
  }
};

void train(GraphModule& model, const Digits& digits, int epochs, double learning_rate) {
  torch::optim::AdamW optimizer(model.parameters(), torch::optim::AdamWOptions(learning_rate).weight_decay(0.01));
  model.train();
  for (int epoch = 0; epoch < epochs; ++epoch) {
    // The rate falls to a tenth over the epochs.
    const double rate = learning_rate * (1.0 - 0.9 * epoch / epochs);
    for (auto& group : optimizer.param_groups()) group.options().set_lr(rate);
    for (const at::Tensor& batch : at::randperm(digits.train_x.size(0)).split(64)) {
      optimizer.zero_grad();
      const at::Tensor scores = model.forward(digits.train_x.index_select(0, batch));
      at::cross_entropy_loss(scores, digits.train_y.index_select(0, batch)).backward();
      optimizer.step();
    }
  }
  model.eval();
}

double accuracy(GraphModule& model, const Digits& digits) {
  const at::AutoGradMode no_grad(false);
  return model.forward(digits.test_x).argmax(1).eq(digits.test_y).to(at::kDouble).mean().item<double>();
}

Graph prune(const Graph& graph) {
  const tinyml::DependencyGraph dependencies = tinyml::analyze_dependencies(graph);
  tinyml::PruningConfig config;
  config.target_flops = 0.5;
  const tinyml::PruningPlan plan = tinyml::plan_pruning(graph, dependencies, config);
  tinyml::verify_plan(graph, dependencies, plan);  // the pruned model equals the masked original, or this throws
  return tinyml::apply_plan(graph, dependencies, plan);
}

void report(const char* stage, const Graph& graph, double accuracy) {
  std::cout << stage << ": accuracy " << accuracy << ", MACs " << tinyml::count_cost(graph).total.macs << '\n';
}

void run(const fs::path& folder, int epochs) {
  at::manual_seed(0);
  const Digits digits(folder);

  GraphModule model(tinyml::normalize(tinyml::read_pt2(folder / "digits.pt2")));
  train(model, digits, epochs, 3e-3);
  report("trained", model.graph(), accuracy(model, digits));
  tinyml::write_pt2(model.graph(), folder / "trained.pt2");

  GraphModule pruned(prune(model.graph()));
  report("pruned", pruned.graph(), accuracy(pruned, digits));
  train(pruned, digits, epochs, 1e-3);
  report("finetuned", pruned.graph(), accuracy(pruned, digits));
  tinyml::write_pt2(pruned.graph(), folder / "pruned.pt2");

  GraphModule quantized(tinyml::quantize(tinyml::fuse(pruned.graph())));
  train(quantized, digits, epochs / 2 + 1, 5e-4);
  quantized.freeze_batch_norm();  // the last epoch as inference computes
  quantized.set_observing(false);
  train(quantized, digits, 1, 1e-4);
  const Graph graph = tinyml::round_biases(quantized.graph());
  report("quantized", graph, accuracy(quantized, digits));
  tinyml::write_pt2(graph, folder / "quantized.pt2");

  const tinyml::ConvertResult result = tinyml::convert(tinyml::fix_batch_size(graph, 1));
  tinyml::tflite::write_tflite(result.model, folder / "digits.tflite");
  std::cout << "wrote " << (folder / "digits.tflite").string() << ": " << fs::file_size(folder / "digits.tflite")
            << " bytes\n";
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::cerr << "usage: end_to_end FOLDER [EPOCHS, default 12]\n";
    return 2;
  }
  try {
    run(argv[1], argc > 2 ? std::atoi(argv[2]) : 12);
    return 0;
  } catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return 1;
  }
}
