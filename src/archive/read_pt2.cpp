#include <fmt/format.h>
#include <fmt/ranges.h>

#include <string>
#include <string_view>
#include <vector>

#include "archive/json_ref.h"
#include "archive/read_graph.h"
#include "archive/read_payloads.h"
#include "archive/zip_reader.h"
#include "graph/mapped_file.h"
#include "tinyml/archive.h"

namespace tinyml {
namespace {

constexpr int64_t kSchemaMajor = 8;
constexpr std::string_view kModels = "models/";
constexpr std::string_view kJson = ".json";
constexpr const char* kSaveAgain =
    "save it with torch 2.8 or newer: torch.export.save(torch.export.export(model, example_inputs), path)";

bool ends_with(std::string_view text, std::string_view end) {
  return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

/// Refuses what is a zip file but not an archive of this layout, by what it looks like.
[[noreturn]] void refuse_layout(const ZipReader& archive) {
  for (const std::string& name : archive.names()) {
    if (ends_with(name, "serialized_exported_program.json"))
      throw Error("the archive was saved by torch 2.7 or older", kSaveAgain);
    if (name == "constants.pkl" || name.substr(0, 5) == "code/")
      throw Error("the file is a TorchScript model", kSaveAgain);
    if (name == "data.pkl") throw Error("the file is a checkpoint of torch.save, which holds no graph", kSaveAgain);
    if (name.substr(0, 17) == "data/aotinductor/")
      throw Error("the archive holds a compiled model (AOTInductor), no graph", kSaveAgain);
  }
  throw Error("the archive holds no exported program", kSaveAgain);
}

/// Name of the one model in the archive: "model" for models/model.json.
std::string find_model(const ZipReader& archive) {
  std::vector<std::string> models;
  for (const std::string& name : archive.names()) {
    if (name.substr(0, kModels.size()) == kModels && ends_with(name, kJson)) {
      models.push_back(name.substr(kModels.size(), name.size() - kModels.size() - kJson.size()));
    }
  }
  if (models.empty()) refuse_layout(archive);
  if (models.size() > 1) {
    throw Error(fmt::format("the archive holds {} models: {}", models.size(), fmt::join(models, ", ")),
                "save each in a file of its own");
  }
  return models[0];
}

void check_format(const ZipReader& archive) {
  if (archive.has("byteorder") && archive.text("byteorder") != "little") {
    throw Error("the archive is not little-endian", "save it on a little-endian machine");
  }
  if (archive.has("archive_version") && archive.text("archive_version") != "0") {
    throw Error(fmt::format("archive version {} is newer than tinyml knows", archive.text("archive_version")),
                "update tinyml, or save the model with an older torch");
  }
}

void check_schema(const JsonRef& program) {
  const JsonRef version = program.at("schema_version");
  const int64_t major = version.at("major").as_int();
  if (major == kSchemaMajor) return;
  if (major < kSchemaMajor) throw Error(fmt::format("export schema {} is too old", major), kSaveAgain);
  throw Error(fmt::format("export schema {} is newer than tinyml knows", major),
              "update tinyml, or save the model with an older torch");
}

/// Keeps what the graph itself does not hold.
void read_archive(const JsonRef& program, Graph::Archive& archive) {
  const JsonRef module = program.at("graph_module");
  for (const JsonRef& entry : module.at("module_call_graph").elements()) {
    if (!entry.at("fqn").as_string().empty() || !entry.has("signature")) continue;
    archive.in_spec = entry.at("signature").at("in_spec").as_string();
    archive.out_spec = entry.at("signature").at("out_spec").as_string();
  }
  std::string text = program.dump("graph_module");
  text.back() = ',';
  archive.program = (text == "," ? "{" : text) + "\"graph_module\":" + module.dump("graph") + "}";
}

}  // namespace

Graph read_pt2(const Storage& bytes) {
  const ZipReader archive(bytes);
  check_format(archive);
  const std::string model = find_model(archive);
  for (const char* folder : {"data/weights/", "data/constants/"}) {
    if (archive.has(fmt::format("{}{}.pt", folder, model)))
      throw Error("the archive's weights are pickled", kSaveAgain);
  }
  const std::string name = fmt::format("{}{}{}", kModels, model, kJson);
  const JsonDocument document(archive.text(name), name);
  const JsonRef program = document.root();
  check_schema(program);

  const Payloads weights(archive, fmt::format("data/weights/{}_weights_config.json", model), "data/weights/");
  const Payloads constants(archive, fmt::format("data/constants/{}_constants_config.json", model), "data/constants/");
  const auto payload = [&](BindingKind kind, const std::string& fqn, bool persistent, const JsonRef& where) {
    const bool is_weight = kind != BindingKind::kConstant && persistent;
    const Tensor* tensor = (is_weight ? weights : constants).find(fqn);
    if (tensor == nullptr) tensor = (is_weight ? constants : weights).find(fqn);
    if (tensor == nullptr) where.fail(fmt::format("the archive holds no tensor '{}'", fqn));
    return *tensor;
  };
  Graph graph = read_graph(program.at("graph_module"), payload);
  verify(graph);
  read_archive(program, graph.archive);
  const std::string sample_inputs = fmt::format("data/sample_inputs/{}.pt", model);
  if (archive.has(sample_inputs)) graph.archive.sample_inputs = archive.bytes(sample_inputs);
  return graph;
}

Graph read_pt2(const std::filesystem::path& path) {
  const Storage bytes = map_file(path);
  try {
    return read_pt2(bytes);
  } catch (const Error& error) {
    throw Error(fmt::format("cannot read {}", path.string()), error.diagnostics());
  }
}

}  // namespace tinyml
