#include "compare_file.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>

#include "litert.h"
#include "tinyml/evaluate.h"
#include "tinyml/npy.h"

namespace tinyml::cli {
namespace {

using tflite::Type;
using Sizes = std::vector<int64_t>;

constexpr int64_t kChannelsLast[] = {0, 2, 3, 1};

Sizes permuted(const Sizes& sizes, const Sizes& order) {
  Sizes result;
  for (int64_t axis : order) result.push_back(sizes[static_cast<size_t>(axis)]);
  return result;
}

// Dimension i of the file's tensor is dimension order[i] of the model's.
Sizes order_in_file(const tflite::Tensor& tensor, const Sizes& sizes, bool keep_layout) {
  const Sizes stored(tensor.shape.begin(), tensor.shape.end());
  Sizes identity;
  for (size_t i = 0; i < sizes.size(); ++i) identity.push_back(static_cast<int64_t>(i));
  const Sizes last = sizes.size() == 4 ? Sizes(std::begin(kChannelsLast), std::end(kChannelsLast)) : identity;
  const bool fits_last = permuted(sizes, last) == stored;
  const bool fits_as_it_is = sizes == stored;
  if (!fits_last && !fits_as_it_is) {
    throw Error(fmt::format("'{}' has the shape [{}] in the file and [{}] in the model", tensor.name,
                            fmt::join(stored, ", "), fmt::join(sizes, ", ")));
  }
  return fits_last && !(fits_as_it_is && keep_layout) ? last : identity;
}

template <typename T>
void append(std::vector<std::byte>& bytes, double value) {
  const double low = static_cast<double>(std::numeric_limits<T>::lowest());
  const double high = static_cast<double>(std::numeric_limits<T>::max());
  const T item = static_cast<T>(std::clamp(value, low, high));
  const auto* raw = reinterpret_cast<const std::byte*>(&item);
  bytes.insert(bytes.end(), raw, raw + sizeof(T));
}

// Calls `f` with a value of the type's C++ type.
template <typename F>
void with_type(const tflite::Tensor& tensor, F f) {
  switch (tensor.type) {
    case Type::FLOAT32:
      return f(float{});
    case Type::INT32:
      return f(int32_t{});
    case Type::INT64:
      return f(int64_t{});
    case Type::INT16:
      return f(int16_t{});
    case Type::INT8:
      return f(int8_t{});
    case Type::UINT8:
    case Type::BOOL:
      return f(uint8_t{});
    default:
      throw Error(fmt::format("'{}' is {}, which cannot be compared", tensor.name, to_string(tensor.type)));
  }
}

std::vector<std::byte> to_file(const Tensor& values, const tflite::Tensor& tensor, const Sizes& order) {
  const tflite::Quantization& q = tensor.quantization;
  const bool quantized = is_quantizable(tensor.type) && !q.empty();
  std::vector<std::byte> bytes;
  with_type(tensor, [&](auto zero) {
    for (double value : values.permuted(order).contiguous().to_doubles()) {
      if (quantized)
        value = std::nearbyint(value / static_cast<double>(q.scale[0])) + static_cast<double>(q.zero_point[0]);
      append<decltype(zero)>(bytes, value);
    }
  });
  return bytes;
}

// The file's values, in the order in which they are stored.
std::vector<double> from_file(const std::vector<std::byte>& bytes, const tflite::Tensor& tensor, size_t count) {
  const tflite::Quantization& q = tensor.quantization;
  const bool quantized = is_quantizable(tensor.type) && !q.empty();
  std::vector<double> values;
  with_type(tensor, [&](auto item) {
    if (bytes.size() < count * sizeof(item)) throw Error(fmt::format("the output '{}' is too short", tensor.name));
    for (size_t i = 0; i < count; ++i) {
      std::memcpy(&item, bytes.data() + i * sizeof(item), sizeof(item));
      const auto value = static_cast<double>(item);
      values.push_back(quantized ? (value - static_cast<double>(q.zero_point[0])) * static_cast<double>(q.scale[0])
                                 : value);
    }
  });
  return values;
}

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

// The tensors at one side of the file, under the names that the runtime knows them by.
std::vector<std::pair<std::string, int>> boundary(const tflite::Model& file, bool inputs) {
  const tflite::Subgraph& main = file.subgraphs.at(0);
  if (!file.signatures.empty()) {
    if (file.signatures[0].subgraph != 0) throw Error("the file's first signature is not that of its main subgraph");
    return inputs ? file.signatures[0].inputs : file.signatures[0].outputs;
  }
  std::vector<std::pair<std::string, int>> result;
  for (int id : inputs ? main.inputs : main.outputs) {
    result.emplace_back(main.tensors[static_cast<size_t>(id)].name, id);
  }
  return result;
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
    const Sizes order = order_in_file(tensor, values[i].shape(), options.keep_layout);
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
    const Sizes order = order_in_file(tensor, expected[i].shape(), options.keep_layout);
    const auto made = std::find_if(results.begin(), results.end(),
                                   [&](const auto& entry) { return entry.first == outputs[i].first; });
    if (made == results.end()) throw Error(fmt::format("the runtime returned no output '{}'", outputs[i].first));
    const std::vector<double> reference = expected[i].permuted(order).contiguous().to_doubles();
    differences.push_back(difference(outputs[i].first, reference, from_file(made->second, tensor, reference.size())));
  }
  return differences;
}

}  // namespace tinyml::cli
