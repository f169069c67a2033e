#include "samples.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>

#include "tinyml/npy.h"
#include "tinyml/suggest.h"

namespace tinyml::cli {

namespace {

// The examples of one input and where they come from.
struct Array {
  Tensor data;
  std::string source;
};

std::vector<Array> from_npz(const Graph& graph, const std::vector<ValueId>& inputs, const std::string& path) {
  const std::map<std::string, Tensor> arrays = read_npz(path);
  std::vector<Array> result;
  std::vector<std::string> wanted;
  for (const ValueId input : inputs) wanted.push_back(graph.value(input).name);
  std::vector<Diagnostic> problems;
  // numpy.savez names what is given without a name arr_0, arr_1, ...
  const bool unnamed = arrays.contains("arr_0") && std::find(wanted.begin(), wanted.end(), "arr_0") == wanted.end();
  for (size_t i = 0; i < wanted.size(); ++i) {
    const std::string name = unnamed ? fmt::format("arr_{}", i) : wanted[i];
    const auto found = arrays.find(name);
    if (found == arrays.end()) {
      problems.push_back({fmt::format("'{}' has no array '{}' for the input '{}'", path, name, wanted[i]), "", {}, ""});
    } else {
      result.push_back({found->second, fmt::format("{}:{}", path, name)});
    }
  }
  for (const auto& [name, tensor] : arrays) {
    if (unnamed || std::find(wanted.begin(), wanted.end(), name) != wanted.end()) continue;
    problems.push_back({fmt::format("'{}' has an array '{}', but the model has no such input", path, name),
                        "",
                        {},
                        suggestion(name, wanted, fmt::format("its inputs: {}", fmt::join(wanted, ", ")))});
  }
  if (unnamed && arrays.size() != wanted.size()) {
    problems.push_back(
        {fmt::format("'{}' has {} arrays, but the model has {} inputs", path, arrays.size(), wanted.size()),
         "",
         {},
         ""});
  }
  if (!problems.empty()) throw Error("The examples do not fit the model.", std::move(problems));
  return result;
}

std::vector<Array> read_arrays(const Graph& graph, const std::vector<ValueId>& inputs,
                               const std::vector<std::string>& paths, const std::string& option) {
  if (paths.size() == 1 && paths[0].ends_with(".npz")) return from_npz(graph, inputs, paths[0]);
  if (inputs.size() != paths.size()) {
    throw Error(fmt::format("the model has {} inputs, but {} files of examples are given", inputs.size(), paths.size()),
                fmt::format("give {} once for each input, in the order of 'tinyml info', or one .npz file", option));
  }
  std::vector<Array> result;
  for (const std::string& path : paths) result.push_back({read_npy(path), path});
  return result;
}

}  // namespace

std::vector<std::vector<Tensor>> read_samples(const Graph& graph, const std::vector<std::string>& paths, size_t limit,
                                              const std::string& option) {
  std::vector<ValueId> inputs;
  for (const Input& input : graph.inputs()) {
    if (input.value != kNoValue) inputs.push_back(input.value);
  }
  const std::vector<Array> arrays = read_arrays(graph, inputs, paths, option);
  std::vector<std::vector<Tensor>> samples;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const Value& value = graph.value(inputs[i]);
    const std::vector<int64_t> wanted = value.tensor.sizes();
    const std::string& path = arrays[i].source;
    const Tensor& array = arrays[i].data;
    const bool fits = !wanted.empty() && array.rank() == static_cast<int64_t>(wanted.size()) &&
                      std::equal(wanted.begin() + 1, wanted.end(), array.shape().begin() + 1);
    if (!fits) {
      throw Error(fmt::format("'{}' has the shape [{}], but input '{}' is [{}]", path, fmt::join(array.shape(), ", "),
                              value.name, fmt::join(wanted, ", ")),
                  "the first dimension counts the examples, the others are the input's");
    }
    const auto batch = static_cast<size_t>(std::max<int64_t>(wanted[0], 1));
    size_t runs = static_cast<size_t>(array.size(0)) / batch;
    if (limit > 0) runs = std::min(runs, limit);
    if (runs == 0) {
      throw Error(fmt::format("'{}' has {} examples, but the model runs {} at once", path, array.size(0), batch));
    }
    const int64_t left = array.size(0) % static_cast<int64_t>(batch);
    if (left != 0 && limit == 0) {
      throw Error(fmt::format("'{}' has {} examples, but the model runs {} at once: {} would be left out", path,
                              array.size(0), batch, left),
                  fmt::format("give a multiple of {} examples, or --limit {} to leave them out", batch, runs));
    }
    if (i > 0 && runs != samples.size()) {
      throw Error(fmt::format("'{}' has another number of examples than '{}'", path, arrays[0].source));
    }
    samples.resize(runs);
    const Tensor typed = array.type() == value.tensor.type ? array : array.to(value.tensor.type);
    const std::vector<int64_t>& strides = typed.strides();
    for (size_t run = 0; run < runs; ++run) {
      samples[run].push_back(Tensor(typed.type(), wanted, strides,
                                    typed.offset() + static_cast<int64_t>(run * batch) * strides[0], typed.storage()));
    }
  }
  return samples;
}

}  // namespace tinyml::cli
