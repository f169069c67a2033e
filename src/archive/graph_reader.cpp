#include "archive/graph_reader.h"

#include <fmt/format.h>

#include <map>
#include <string_view>
#include <utility>

#include "archive/metadata.h"
#include "tinyml/schema.h"

namespace tinyml {
namespace {

constexpr int kMaxDepth = 16;
constexpr std::string_view kTorchOps = "torch.ops.";
constexpr std::string_view kHigherOrder = "higher_order.";

Metadata read_metadata(const JsonRef& node) {
  std::map<std::string, std::string> entries;
  if (node.has("metadata")) {
    for (const auto& [key, value] : node.at("metadata").items()) entries.emplace(key, value.as_string());
  }
  return parse_metadata(entries);
}

}  // namespace

GraphReader::GraphReader(const JsonRef& graph, TypeReader& types, std::vector<Diagnostic>& problems, int depth)
    : json_(graph), types_(types), problems_(problems), depth_(depth) {
  if (depth > kMaxDepth) graph.fail(fmt::format("graphs nest deeper than {} levels", kMaxDepth));
  scope_.value = [this](const JsonRef& name) {
    const auto found = names_.find(name.as_string());
    if (found == names_.end()) name.fail(fmt::format("the value '{}' is used before it is defined", name.as_string()));
    return found->second;
  };
  scope_.subgraph = [this](const JsonRef& body) {
    GraphReader reader(body, types_, problems_, depth_ + 1);
    reader.read_body();
    return std::make_shared<const Graph>(std::move(reader.graph()));
  };
}

ValueId GraphReader::define(const JsonRef& name, ValueKind kind) {
  Value value;
  value.name = name.as_string();
  value.kind = kind;
  if (value.name.empty()) name.fail("a value needs a name");
  if (names_.count(value.name) != 0) name.fail(fmt::format("the value '{}' is defined twice", value.name));
  switch (kind) {
    case ValueKind::kTensor:
      value.tensor = types_.tensor(json_.at("tensor_values").at(value.name));
      break;
    case ValueKind::kSymInt:
      value.symbol = types_.dim(json_.at("sym_int_values").at(value.name));
      break;
    case ValueKind::kSymBool:
      value.symbol = types_.symbol(json_.at("sym_bool_values").at(value.name));
      break;
    case ValueKind::kSymFloat:
      value.symbol = types_.symbol(json_.at("sym_float_values").at(value.name));
      break;
    case ValueKind::kOther:
      break;
  }
  const std::string key = value.name;
  const ValueId id = graph_.add_value(std::move(value));
  TINYML_CHECK(graph_.value(id).name == key);
  names_.emplace(key, id);
  return id;
}

ValueId GraphReader::define_input(const JsonRef& input, Argument& constant) {
  const auto [tag, value] = input.tagged();
  if (tag == "as_tensor") return define(value.at("name"), ValueKind::kTensor);
  if (tag == "as_sym_int") return define(value.at("as_name"), ValueKind::kSymInt);
  if (tag == "as_custom_obj") value.fail("custom objects are not supported");
  constant = read_argument(input, scope_);
  return kNoValue;
}

void GraphReader::read_nodes() {
  for (const JsonRef& node : json_.at("nodes").elements()) read_node(node);
}

void GraphReader::read_body() {
  for (const JsonRef& entry : json_.at("inputs").elements()) {
    Input input;
    input.value = define_input(entry, input.constant);
    if (input.value != kNoValue) input.name = graph_.value(input.value).name;
    graph_.add_input(std::move(input));
  }
  read_nodes();
  for (const JsonRef& output : json_.at("outputs").elements())
    graph_.add_output({read_argument(output, scope_), {}, {}});
  graph_.archive.returns_single_tensor =
      json_.has("is_single_tensor_return") && json_.at("is_single_tensor_return").as_bool();
}

void GraphReader::read_node(const JsonRef& json) {
  Node node;
  const std::string& target = json.at("target").as_string();
  node.op = target.substr(0, kTorchOps.size()) == kTorchOps ? target.substr(kTorchOps.size()) : target;
  if (node.op.empty()) json.at("target").fail("expected the name of an operator");
  node.metadata = read_metadata(json);
  const JsonRef inputs = json.at("inputs");
  inputs.size();
  try {
    add_args(inputs, node);
  } catch (const Error& error) {
    Diagnostic problem = error.diagnostics()[0];
    problem.what = fmt::format("{} ({})", problem.what, node.op);
    problem.module_path = node.module_path();
    problem.where = node.source();
    problems_.push_back(std::move(problem));
    node.args.clear();
  }
  const bool higher_order = node.op.substr(0, kHigherOrder.size()) == kHigherOrder;
  read_outputs(json.at("outputs"), node);
  if (higher_order) {
    node.returns_list = !(json.has("is_hop_single_tensor_return") && json.at("is_hop_single_tensor_return").as_bool());
  }
  graph_.add_node(std::move(node));
}

void GraphReader::add_args(const JsonRef& inputs, Node& node) {
  std::vector<NamedArgument> given;
  for (const JsonRef& input : inputs.elements()) {
    given.push_back({input.at("name").as_string(), read_argument(input.at("arg"), scope_)});
  }
  if (find_schema(node.op) == nullptr) {
    node.args = std::move(given);
    return;
  }
  try {
    node.args = make_args(node.op, std::move(given));
  } catch (const Error& error) {
    inputs.fail(error.diagnostics()[0].what);
  }
}

ValueId GraphReader::define_output(const JsonRef& output) {
  const auto [tag, value] = output.tagged();
  if (tag == "as_none") return kNoValue;
  if (tag == "as_tensor") {
    const JsonRef name = value.at("name");
    return name.as_string().empty() ? kNoValue : define(name, ValueKind::kTensor);
  }
  if (tag == "as_sym_int") return define(value.at("as_name"), ValueKind::kSymInt);
  if (tag == "as_sym_bool") return define(value.at("as_name"), ValueKind::kSymBool);
  if (tag == "as_sym_float") return define(value.at("as_name"), ValueKind::kSymFloat);
  output.fail(fmt::format("results of the kind '{}' are not supported", tag));
}

void GraphReader::read_outputs(const JsonRef& outputs, Node& node) {
  if (outputs.size() == 1) {
    const auto [tag, value] = outputs[0].tagged();
    if (tag == "as_tensors") {
      node.returns_list = true;
      for (const JsonRef& item : value.elements()) node.outputs.push_back(define(item.at("name"), ValueKind::kTensor));
      return;
    }
  }
  for (const JsonRef& output : outputs.elements()) node.outputs.push_back(define_output(output));
}

}  // namespace tinyml
