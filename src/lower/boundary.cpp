#include "lower/boundary.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace tinyml {
namespace {

tflite::Type type_of(BoundaryType type) {
  switch (type) {
    case BoundaryType::kInt8:
      return tflite::Type::INT8;
    case BoundaryType::kUInt8:
      return tflite::Type::UINT8;
    case BoundaryType::kInt16:
      return tflite::Type::INT16;
    default:
      return tflite::Type::FLOAT32;
  }
}

}  // namespace

BoundaryType parse_boundary_type(const std::string& name) {
  if (name == "float32") return BoundaryType::kFloat32;
  if (name == "int8") return BoundaryType::kInt8;
  if (name == "uint8") return BoundaryType::kUInt8;
  if (name == "int16") return BoundaryType::kInt16;
  throw Error(fmt::format("'{}' is no type for inputs and outputs", name), "use float32, int8, uint8 or int16");
}

tflite::Type parse_integer_type(const std::string& name) {
  if (name == "int8") return tflite::Type::INT8;
  if (name == "uint8") return tflite::Type::UINT8;
  if (name == "int16") return tflite::Type::INT16;
  throw Error(fmt::format("'{}' is no type that models are quantized to", name), "use int8, uint8 or int16");
}

namespace lowering {

tflite::Type boundary_type(const ConvertOptions& options, const std::string& name) {
  const auto found = options.boundary_types.find(name);
  return type_of(found == options.boundary_types.end() ? options.boundary : found->second);
}

BoundaryTypes boundary_types(const ConvertOptions& options, const tflite::Signature& signature) {
  BoundaryTypes types;
  std::vector<std::string> inputs;
  std::vector<std::string> outputs;
  for (const auto& entry : signature.inputs) {
    inputs.push_back(entry.first);
    types.inputs.push_back(boundary_type(options, entry.first));
  }
  for (const auto& entry : signature.outputs) {
    outputs.push_back(entry.first);
    types.outputs.push_back(boundary_type(options, entry.first));
  }
  const auto is_in = [](const std::vector<std::string>& names, const std::string& name) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  std::vector<Diagnostic> problems;
  for (const auto& [name, type] : options.boundary_types) {
    if (is_in(inputs, name) || is_in(outputs, name)) continue;
    problems.push_back(
        {fmt::format("the model has no input or output '{}' to give a type", name),
         "",
         {},
         fmt::format("its inputs are {}, its outputs {}", fmt::join(inputs, ", "), fmt::join(outputs, ", "))});
  }
  for (const auto& [name, statistics] : options.input_statistics) {
    if (is_in(inputs, name)) continue;
    problems.push_back({fmt::format("the model has no input '{}' to normalise", name),
                        "",
                        {},
                        fmt::format("its inputs are {}", fmt::join(inputs, ", "))});
  }
  if (!problems.empty()) throw Error("the options do not fit the model", std::move(problems));
  return types;
}

std::map<std::string, InputStatistics> typed_statistics(const ConvertOptions& options) {
  std::map<std::string, InputStatistics> result = options.input_statistics;
  for (auto& [name, statistics] : result) {
    statistics.type = boundary_type(options, name);
    if (statistics.type == tflite::Type::INT16) {
      throw Error(fmt::format("the input '{}' cannot be both INT16 and unnormalised", name),
                  "use uint8, int8 or float32 for it");
    }
  }
  return result;
}

std::map<size_t, tflite::Order> boundary_orders(const tflite::Subgraph& main, const std::vector<int>& ids,
                                                const std::vector<std::optional<bool>>& channels_last,
                                                const std::string& kind) {
  if (channels_last.size() > 1 && channels_last.size() != ids.size()) {
    throw Error(fmt::format("{}_transpose has {} entries for {} {}s", kind, channels_last.size(), ids.size(), kind));
  }
  std::map<size_t, tflite::Order> orders;
  for (size_t i = 0; i < ids.size() && !channels_last.empty(); ++i) {
    const std::optional<bool> wanted = channels_last.size() == 1 ? channels_last[0] : channels_last[i];
    if (!wanted) continue;
    const tflite::Tensor& tensor = main.tensors[static_cast<size_t>(ids[i])];
    tflite::Order order;
    for (int axis = 0; axis < tensor.rank(); ++axis) order.push_back(axis);
    if (*wanted && order.size() < 3) {
      if (channels_last.size() == 1) continue;  // True for all: for those that have channels.
      throw Error(fmt::format("{} {} ('{}') has rank {}: there are no channels to put last", kind, i, tensor.name,
                              tensor.rank()),
                  fmt::format("leave it out of {}_transpose (None)", kind));
    }
    if (*wanted) std::rotate(order.begin() + 1, order.begin() + 2, order.end());
    orders[i] = std::move(order);
  }
  return orders;
}

void restrict_types(const std::optional<std::vector<size_t>>& indices, const std::string& kind,
                    std::vector<tflite::Type>& types) {
  if (!indices) return;
  for (size_t index : *indices) {
    if (index < types.size()) continue;
    throw Error(fmt::format("fuse_{}_indices names {} {}, but there are {}", kind, kind, index, types.size()));
  }
  for (size_t i = 0; i < types.size(); ++i) {
    if (std::find(indices->begin(), indices->end(), i) == indices->end()) types[i] = tflite::Type::FLOAT32;
  }
}

}  // namespace lowering
}  // namespace tinyml
