#include "samples.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "tinyml/npy.h"

namespace tinyml::cli {

std::vector<std::vector<Tensor>> read_samples(const Graph& graph, const std::vector<std::string>& paths, size_t limit) {
  std::vector<ValueId> inputs;
  for (const Input& input : graph.inputs()) {
    if (input.value != kNoValue) inputs.push_back(input.value);
  }
  if (inputs.size() != paths.size()) {
    throw Error(fmt::format("the model has {} inputs, but {} calibration files are given", inputs.size(), paths.size()),
                "give --calibration once for each input, in the order of 'tinyml info'");
  }
  std::vector<std::vector<Tensor>> samples;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const Value& value = graph.value(inputs[i]);
    const std::vector<int64_t> wanted = value.tensor.sizes();
    const std::string& path = paths[i];
    const Tensor array = read_npy(path);
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
    if (i > 0 && runs != samples.size()) {
      throw Error(fmt::format("'{}' has another number of examples than '{}'", path, paths[0]));
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
