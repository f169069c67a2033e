#include "archive/write_program.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "archive/json_ref.h"
#include "archive/json_writer.h"
#include "archive/write_graph.h"
#include "tinyml/error.h"

namespace tinyml {
namespace {

/// Pytree specifications, as torch.utils._pytree.treespec_dumps writes them.
class SpecWriter {
 public:
  SpecWriter() { json_.begin_array().number(int64_t{1}); }
  void leaf() { open("", "").end_array().end_object(); }
  void open_tuple() { open("builtins.tuple", "null"); }
  void open_empty_dict() { open("builtins.dict", "[]"); }
  void close() { json_.end_array().end_object(); }
  std::string finish() { return json_.end_array().text(); }

 private:
  JsonWriter& open(std::string_view type, std::string_view context) {
    json_.begin_object().key("type");
    type.empty() ? json_.null() : json_.string(type);
    json_.key("context");
    context.empty() ? json_.null() : json_.string(context);
    return json_.key("children_spec").begin_array();
  }
  JsonWriter json_;
};

/// All inputs positional: ((a, b, c), {}).
std::string flat_in_spec(size_t inputs) {
  SpecWriter spec;
  spec.open_tuple();
  spec.open_tuple();
  for (size_t i = 0; i < inputs; ++i) spec.leaf();
  spec.close();
  spec.open_empty_dict();
  spec.close();
  spec.close();
  return spec.finish();
}

/// One output stands alone, several are a tuple.
std::string flat_out_spec(size_t outputs) {
  SpecWriter spec;
  if (outputs == 1) {
    spec.leaf();
    return spec.finish();
  }
  spec.open_tuple();
  for (size_t i = 0; i < outputs; ++i) spec.leaf();
  spec.close();
  return spec.finish();
}

size_t count_leaves(const JsonRef& spec) {
  if (spec.at("type").is_null()) return 1;
  size_t leaves = 0;
  for (const JsonRef& child : spec.at("children_spec").elements()) leaves += count_leaves(child);
  return leaves;
}

/// Whether a pytree specification has that many leaves; the constant None is one too in torch's pytrees.
bool fits(const std::string& spec, size_t leaves) {
  if (spec.empty()) return false;
  const JsonDocument document(spec, "pytree specification");
  return document.root().size() == 2 && count_leaves(document.root()[1]) == leaves;
}

void write_root_signature(JsonWriter& json, const Graph& graph, const JsonRef* original) {
  size_t outputs = 0;
  for (const Output& output : graph.outputs()) {
    outputs += output.kind == OutputKind::kUser || output.kind == OutputKind::kLoss ? 1 : 0;
  }
  const bool keeps_inputs = fits(graph.archive.in_spec, graph.inputs().size());
  json.begin_object().key("inputs").begin_array().end_array().key("outputs").begin_array().end_array();
  json.key("in_spec").string(keeps_inputs ? graph.archive.in_spec : flat_in_spec(graph.inputs().size()));
  json.key("out_spec").string(fits(graph.archive.out_spec, outputs) ? graph.archive.out_spec : flat_out_spec(outputs));
  json.key("forward_arg_names");
  if (keeps_inputs && original != nullptr && original->has("forward_arg_names")) {
    json.raw(original->at("forward_arg_names").dump());
  } else {
    json.begin_array();
    for (const Input& input : graph.inputs()) json.string(input.name);
    json.end_array();
  }
  json.end_object();
}

/// Signatures of inner modules name values that may be gone: they are dropped, which torch allows.
void write_module_calls(JsonWriter& json, const Graph& graph, const JsonRef* calls) {
  json.begin_array().begin_object().key("fqn").string("").key("signature");
  std::optional<JsonRef> root;
  if (calls != nullptr) {
    for (const JsonRef& call : calls->elements()) {
      if (call.at("fqn").as_string().empty() && call.has("signature")) root = call.at("signature");
    }
  }
  write_root_signature(json, graph, root ? &*root : nullptr);
  json.end_object();
  if (calls != nullptr) {
    for (const JsonRef& call : calls->elements()) {
      if (call.at("fqn").as_string().empty()) continue;
      json.begin_object().key("fqn").string(call.at("fqn").as_string()).key("signature").null().end_object();
    }
  }
  json.end_array();
}

void write_graph_module(JsonWriter& json, const Graph& graph, const JsonRef* original) {
  json.begin_object().key("graph");
  write_graph(json, graph, true);
  json.key("signature");
  write_signature(json, graph);
  json.key("module_call_graph");
  if (original == nullptr) {
    write_module_calls(json, graph, nullptr);
  } else {
    const JsonRef calls = original->at("module_call_graph");
    write_module_calls(json, graph, &calls);
    for (const auto& [key, value] : original->items()) {
      if (key == "graph" || key == "signature" || key == "module_call_graph") continue;
      json.key(key).raw(value.dump());
    }
  }
  json.end_object();
}

}  // namespace

std::string write_program(const Graph& graph) {
  JsonWriter json;
  json.begin_object().key("graph_module");
  if (graph.archive.program.empty()) {
    write_graph_module(json, graph, nullptr);
    json.key("opset_version").begin_object().key("aten").number(int64_t{10}).end_object();
    json.key("range_constraints").begin_object().end_object();
    json.key("schema_version")
        .begin_object()
        .key("major")
        .number(int64_t{8})
        .key("minor")
        .number(int64_t{20})
        .end_object();
    json.key("verifiers").begin_array().string("TRAINING").end_array();
    json.key("torch_version").string("2.13.0").key("guards_code").begin_array().end_array();
  } else {
    const JsonDocument document(graph.archive.program, "program");
    const JsonRef module = document.root().at("graph_module");
    write_graph_module(json, graph, &module);
    for (const auto& [key, value] : document.root().items()) {
      if (key != "graph_module") json.key(key).raw(value.dump());
    }
  }
  return json.end_object().text();
}

}  // namespace tinyml
