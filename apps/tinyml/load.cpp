#include "load.h"

#include <fmt/format.h>

#include <filesystem>

#include "tinyml/archive.h"
#include "tinyml/functionalize.h"

namespace tinyml::cli {

Graph load_graph(const std::string& path, Progress& progress) {
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) {
    throw Error(fmt::format("there is no file '{}'", path),
                "export the model first: torch.export.save(torch.export.export(model, (x,)), \"model.pt2\")");
  }
  Graph graph = normalize(read_pt2(path));
  progress.done(fmt::format("read {}: {} operators", path, graph.node_count()));
  return graph;
}

}  // namespace tinyml::cli
