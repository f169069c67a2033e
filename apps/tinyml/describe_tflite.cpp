#include "describe_tflite.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "text.h"
#include "tinyml/tflite_info.h"

namespace tinyml::cli {
namespace {

using tflite::Model;
using tflite::Subgraph;
using tflite::Tensor;

std::string type_text(const Tensor& tensor) {
  // Dynamic sizes as "?".
  std::vector<std::string> sizes;
  for (size_t i = 0; i < tensor.shape.size(); ++i) {
    const bool dynamic = i < tensor.shape_signature.size() && tensor.shape_signature[i] < 0;
    sizes.push_back(dynamic ? "?" : std::to_string(tensor.shape[i]));
  }
  return fmt::format("{} [{}]", to_string(tensor.type), fmt::join(sizes, ", "));
}

std::string quantization_text(const Tensor& tensor) {
  const tflite::Quantization& q = tensor.quantization;
  if (q.empty()) return "";
  if (q.per_channel()) return fmt::format("{} scales along dimension {}", q.scale.size(), q.quantized_dimension);
  return fmt::format("scale {:.6g}, zero point {}", q.scale[0], q.zero_point[0]);
}

std::vector<std::pair<std::string, int>> by_frequency(const Model& model) {
  const auto counts = tflite::count_operators(model);
  std::vector<std::pair<std::string, int>> sorted(counts.begin(), counts.end());
  std::stable_sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
  return sorted;
}

}  // namespace

std::string operators_text(const Model& model) {
  std::vector<std::string> items;
  for (const auto& [name, count] : by_frequency(model)) items.push_back(fmt::format("{} {}", count, name));
  return fmt::format("{}", fmt::join(items, ", "));
}

std::string describe(const Model& model) {
  const Subgraph& main = model.subgraphs.at(0);
  std::vector<std::vector<std::string>> rows;
  const auto add = [&](const char* kind, int id) {
    const Tensor& tensor = main.tensors[static_cast<size_t>(id)];
    rows.push_back({kind, tensor.name, type_text(tensor), quantization_text(tensor)});
  };
  for (int id : main.inputs) add("input", id);
  for (int id : main.outputs) add("output", id);
  std::string text = table(rows);
  for (const tflite::Signature& signature : model.signatures) {
    const auto names = [](const auto& entries) {
      std::vector<std::string> result;
      for (const auto& entry : entries) result.push_back(entry.first);
      return result;
    };
    text += fmt::format("signature {}: ({}) -> ({}){}\n", signature.key, fmt::join(names(signature.inputs), ", "),
                        fmt::join(names(signature.outputs), ", "),
                        signature.subgraph == 0 ? "" : fmt::format(", subgraph {}", signature.subgraph));
  }
  rows = {{"constants", bytes_text(tflite::count_constant_bytes(model)), ""},
          {"multiply-accumulates", with_commas(tflite::count_macs(main)), ""},
          {"arena of activations", bytes_text(tflite::plan_arena(main).bytes), "without the kernels' scratch memory"},
          {"subgraphs", std::to_string(model.subgraphs.size()), ""}};
  for (const tflite::Metadata& entry : model.metadata)
    rows.push_back({"metadata", entry.name, bytes_text(entry.data.size())});
  text += "\n" + table(rows);

  size_t total = 0;
  rows.clear();
  for (const auto& [name, count] : by_frequency(model)) {
    rows.push_back({std::to_string(count), name});
    total += static_cast<size_t>(count);
  }
  return text + fmt::format("\n{} operators\n", total) + table(rows, {0});
}

std::string list_operators(const Model& model) {
  std::vector<std::vector<std::string>> rows = {{"operator", "output", "", ""}};
  for (const Subgraph& subgraph : model.subgraphs) {
    for (const tflite::Operator& op : subgraph.operators) {
      rows.push_back({name_of(op), "", "", ""});
      if (op.outputs.empty()) continue;
      const Tensor& out = subgraph.tensors[static_cast<size_t>(op.outputs[0])];
      rows.back() = {name_of(op), out.name, type_text(out), quantization_text(out)};
    }
  }
  return table(rows);
}

}  // namespace tinyml::cli
