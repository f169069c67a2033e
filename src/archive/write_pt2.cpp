#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include "archive/json_writer.h"
#include "archive/write_program.h"
#include "archive/write_type.h"
#include "archive/zip_writer.h"
#include "tinyml/archive.h"

namespace tinyml {
namespace {

/// One payload: bytes that several tensors may be views of.
struct Payload {
  std::span<const std::byte> bytes;
  std::string name;
};

/// Writes the payloads of a folder and their configuration file.
class PayloadWriter {
 public:
  PayloadWriter(ZipWriter& zip, const Graph& graph, std::string folder, std::string prefix)
      : zip_(zip), graph_(graph), folder_(std::move(folder)), prefix_(std::move(prefix)) {
    json_.begin_object().key("config").begin_object();
  }

  void add(const Binding& binding) {
    const Tensor& tensor = binding.data;
    const bool parameter = binding.kind == BindingKind::kParameter;
    json_.key(binding.fqn).begin_object().key("path_name").string(payload(tensor)).key("is_param").boolean(parameter);
    json_.key("use_pickle").boolean(false).key("tensor_meta");
    write_stored_tensor(json_, tensor, graph_.tensor_type(binding.value));
    json_.end_object();
  }

  void finish(const std::string& config) { zip_.add(config, json_.end_object().end_object().text()); }

 private:
  /// The entry that holds the tensor's storage, written on first sight. Torch takes the element type of an entry from
  /// the first tensor in it, so a storage seen as two types is written twice.
  const std::string& payload(const Tensor& tensor) {
    const Storage& storage = tensor.storage();
    const auto key = std::make_tuple(storage.data(), storage.size(), tensor.type());
    auto [entry, inserted] = names_.try_emplace(key);
    if (inserted) {
      entry->second = fmt::format("{}{}", prefix_, names_.size() - 1);
      zip_.add(folder_ + entry->second, std::span(storage.data(), storage.size()));
    }
    return entry->second;
  }

  ZipWriter& zip_;
  const Graph& graph_;
  std::string folder_;
  std::string prefix_;
  JsonWriter json_;
  std::map<std::tuple<const std::byte*, size_t, ScalarType>, std::string> names_;
};

bool is_weight(const Binding& binding) { return binding.kind != BindingKind::kConstant && binding.persistent; }

/// The archive's folder: the file's stem, as torch names it.
std::string root_of(const std::filesystem::path& path) {
  std::string root = path.stem().string();
  std::replace_if(
      root.begin(), root.end(), [](char c) { return c == '/' || c == '\\' || static_cast<unsigned char>(c) < 0x20; },
      '_');
  return root.empty() || root == "." || root == ".." ? "archive" : root;
}

}  // namespace

void write_pt2(const Graph& graph, const std::filesystem::path& path) {
  verify(graph);
  ZipWriter zip(path);
  const std::string root = root_of(path) + "/";
  PayloadWriter weights(zip, graph, root + "data/weights/", "weight_");
  PayloadWriter constants(zip, graph, root + "data/constants/", "tensor_");
  for (const Binding& binding : graph.bindings()) (is_weight(binding) ? weights : constants).add(binding);
  weights.finish(root + "data/weights/model_weights_config.json");
  constants.finish(root + "data/constants/model_constants_config.json");
  zip.add(root + "models/model.json", write_program(graph));
  const Storage& samples = graph.archive.sample_inputs;
  zip.add(root + "data/sample_inputs/model.pt", std::span(samples.data(), samples.size()));
  zip.add(root + "archive_format", "pt2");
  zip.add(root + "archive_version", "0");
  zip.add(root + "byteorder", "little");
  zip.add(root + ".data/version", "6\n");
  zip.finish();
}

}  // namespace tinyml
