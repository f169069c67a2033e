#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "tinyml/atomic_file.h"
#include "tinyml/profile.h"

namespace tinyml {
namespace {

constexpr const char* kFormat = "tinyml.latency_table";

double positive(const YAML::Node& node, const char* what) {
  const auto value = node.as<double>();
  if (!std::isfinite(value) || value <= 0.0) throw Error(fmt::format("a latency table's {} is above zero", what));
  return value;
}

}  // namespace

std::string to_json(const LatencyTable& table) {
  nlohmann::ordered_json document = {{"format", kFormat},
                                     {"version", 1},
                                     {"device", table.device},
                                     {"scale", table.scale},
                                     {"operators", nlohmann::json::array()}};
  for (const auto& [kind, entries] : table.entries()) {
    nlohmann::ordered_json shapes = nlohmann::json::array();
    for (const LatencyTable::Entry& entry : entries) {
      shapes.push_back({{"sizes", entry.sizes}, {"work", entry.work}, {"seconds", entry.seconds}});
    }
    document["operators"].push_back({{"kind", kind}, {"shapes", std::move(shapes)}});
  }
  return document.dump(1) + "\n";
}

LatencyTable parse_latency_table(const std::string& text) {
  try {
    const YAML::Node document = YAML::Load(text);
    if (!document.IsMap() || !document["format"] || document["format"].as<std::string>() != kFormat) {
      throw Error(fmt::format("this is no latency table: it has no format '{}'", kFormat),
                  "make one with 'tinyml profile model.pt2 -o table.json'");
    }
    if (document["version"].as<int>() != 1) {
      throw Error(fmt::format("the latency table has version {}, this program reads 1", document["version"].as<int>()));
    }
    LatencyTable table;
    if (const YAML::Node device = document["device"]) table.device = device.as<std::string>();
    table.scale = positive(document["scale"], "scale");
    for (const YAML::Node& op : document["operators"]) {
      OperatorShape shape;
      shape.kind = op["kind"].as<std::string>();
      for (const YAML::Node& entry : op["shapes"]) {
        shape.sizes = entry["sizes"].as<std::vector<int64_t>>();
        shape.work = entry["work"].as<double>();
        table.add(shape, positive(entry["seconds"], "time"));
      }
    }
    return table;
  } catch (const YAML::Exception& error) {
    throw Error(fmt::format("the latency table is not valid: {}", error.what()));
  }
}

void write_latency_table(const LatencyTable& table, const std::string& path) { write_file(path, to_json(table)); }

LatencyTable read_latency_table(const std::string& path) {
  return parse_latency_table(read_file(path, "latency table"));
}

}  // namespace tinyml
