#include "compare_file.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

#include "file_values.h"
#include "litert.h"
#include "tinyml/evaluate.h"
#include "tinyml/npy.h"

namespace tinyml::cli {
namespace {

Tensor random_values(const TensorType& type, std::mt19937& random) {
  Tensor values(ScalarType::kFloat64, type.sizes());
  std::normal_distribution<double> normal;
  std::bernoulli_distribution coin;
  double* out = values.mutable_data<double>();
  for (int64_t i = 0; i < values.numel(); ++i) out[i] = is_floating_point(type.type) ? normal(random) : coin(random);
  return values.to(type.type);
}

std::vector<Tensor> input_values(const Graph& graph, const CompareOptions& options) {
  std::vector<Tensor> values;
  std::mt19937 random(1);
  for (const Input& input : graph.inputs()) {
    if (input.value == kNoValue) continue;
    const TensorType& type = graph.tensor_type(input.value);
    const size_t index = values.size();
    if (options.inputs.empty()) {
      values.push_back(random_values(type, random));
      continue;
    }
    if (index >= options.inputs.size()) break;
    values.push_back(read_npy(options.inputs[index]).to(type.type));
    if (values.back().shape() != type.sizes()) {
      throw Error(fmt::format("'{}' has the shape [{}], the input '{}' [{}]", options.inputs[index],
                              fmt::join(values.back().shape(), ", "), input.name, fmt::join(type.sizes(), ", ")));
    }
  }
  const auto wanted = std::count_if(graph.inputs().begin(), graph.inputs().end(),
                                    [](const Input& input) { return input.value != kNoValue; });
  if (static_cast<size_t>(wanted) != values.size() ||
      (!options.inputs.empty() && options.inputs.size() != values.size())) {
    throw Error(fmt::format("the model has {} inputs, {} were given", wanted, options.inputs.size()));
  }
  return values;
}

OutputDifference difference(const std::string& name, const std::vector<double>& expected,
                            const std::vector<double>& actual) {
  double noise = 0;
  double signal = 0;
  double most = 0;
  double low = std::numeric_limits<double>::infinity();
  double high = -low;
  for (size_t i = 0; i < expected.size(); ++i) {
    const bool same = expected[i] == actual[i] || (std::isnan(expected[i]) && std::isnan(actual[i]));
    const double error = same ? 0 : expected[i] - actual[i];
    noise += error * error;
    most = std::isnan(error) ? std::numeric_limits<double>::infinity() : std::max(most, std::abs(error));
    if (!std::isfinite(expected[i])) continue;
    signal += expected[i] * expected[i];
    low = std::min(low, expected[i]), high = std::max(high, expected[i]);
  }
  const double range = high > low ? high - low : std::max(std::abs(high), 1e-30);
  return {name, most == 0 ? 0 : most / range,
          noise == 0 ? std::numeric_limits<double>::infinity() : 10 * std::log10(signal / noise)};
}

}  // namespace

std::vector<OutputDifference> compare_file(const std::string& path, const tflite::Model& file, const Graph& graph,
                                           const CompareOptions& options) {
  const LiteRt runtime(options.litert);
  const tflite::Subgraph& main = file.subgraphs.at(0);
  const std::vector<Tensor> values = input_values(graph, options);
  const auto inputs = boundary(file, true);
  if (inputs.size() != values.size()) {
    throw Error(fmt::format("the file has {} inputs, the model {}", inputs.size(), values.size()));
  }
  NamedBytes given;
  for (size_t i = 0; i < values.size(); ++i) {
    const tflite::Tensor& tensor = main.tensors[static_cast<size_t>(inputs[i].second)];
    const std::vector<int64_t> order = order_in_file(tensor, values[i].shape(), options.keep_layout);
    given.emplace_back(inputs[i].first, to_file(values[i], tensor, order));
  }
  const NamedBytes results = runtime.run(path, given);

  std::vector<Tensor> expected = evaluate(graph, values);
  std::erase_if(expected, [](const Tensor& tensor) { return !tensor.defined(); });
  const auto outputs = boundary(file, false);
  if (outputs.size() != expected.size()) {
    throw Error(fmt::format("the file has {} outputs, the model {}", outputs.size(), expected.size()));
  }
  std::vector<OutputDifference> differences;
  for (size_t i = 0; i < expected.size(); ++i) {
    const tflite::Tensor& tensor = main.tensors[static_cast<size_t>(outputs[i].second)];
    const std::vector<int64_t> order = order_in_file(tensor, expected[i].shape(), options.keep_layout);
    const auto made = std::find_if(results.begin(), results.end(),
                                   [&](const auto& entry) { return entry.first == outputs[i].first; });
    if (made == results.end()) throw Error(fmt::format("the runtime returned no output '{}'", outputs[i].first));
    const std::vector<double> reference = expected[i].permuted(order).contiguous().to_doubles();
    differences.push_back(difference(outputs[i].first, reference, from_file(made->second, tensor, reference.size())));
  }
  return differences;
}

}  // namespace tinyml::cli
