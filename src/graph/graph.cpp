#include "tinyml/graph.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace tinyml {

std::vector<NodeId> Graph::nodes() const {
  std::vector<NodeId> ids;
  ids.reserve(live_nodes_);
  for (NodeId id = head_; id != kNoNode; id = next_node(id)) ids.push_back(id);
  return ids;
}

const Binding* Graph::binding_of(ValueId id) const {
  const auto found = binding_index_.find(id);
  return found == binding_index_.end() ? nullptr : &bindings_[found->second];
}

const Binding* Graph::find_binding(std::string_view fqn) const {
  const auto found = fqn_index_.find(fqn);
  return found == fqn_index_.end() ? nullptr : &bindings_[found->second];
}

bool Graph::is_output(ValueId id) const {
  return std::any_of(outputs_.begin(), outputs_.end(), [&](const Output& output) {
    bool found = false;
    output.value.for_each_value([&](ValueId value) { found |= value == id; });
    return found;
  });
}

bool Graph::is_unused(ValueId id) const { return value(id).users.empty() && !is_output(id); }

std::string Graph::unique_name(std::string name) {
  if (name.empty()) name = "value";
  const auto [entry, inserted] = names_.try_emplace(name, 1);
  if (inserted) return name;
  while (true) {
    std::string candidate = fmt::format("{}_{}", name, entry->second++);
    if (names_.try_emplace(candidate, 1).second) return candidate;
  }
}

ValueId Graph::add_value(Value value) {
  value.name = unique_name(std::move(value.name));
  value.producer = kNoNode;
  value.users.clear();
  values_.push_back(std::move(value));
  return ValueId{static_cast<uint32_t>(values_.size() - 1)};
}

ValueId Graph::add_value(std::string name, TensorType type) {
  Value value;
  value.name = std::move(name);
  value.tensor = std::move(type);
  return add_value(std::move(value));
}

ValueId Graph::add_input(std::string name, TensorType type) {
  const ValueId id = add_value(std::move(name), std::move(type));
  add_input(Input{values_[index_of(id)].name, id, {}});
  return id;
}

void Graph::add_input(Input input) { inputs_.push_back(std::move(input)); }

ValueId Graph::add_binding(BindingKind kind, std::string fqn, Tensor data, bool persistent) {
  std::string name = kind == BindingKind::kParameter ? "p_" : (kind == BindingKind::kBuffer ? "b_" : "c_");
  name += fqn;
  std::replace(name.begin(), name.end(), '.', '_');
  TensorType type = TensorType::of(data.type(), data.shape());
  type.requires_grad = kind == BindingKind::kParameter;
  const ValueId id = add_value(std::move(name), std::move(type));
  add_binding(Binding{std::move(fqn), id, kind, persistent, std::move(data)});
  return id;
}

void Graph::add_binding(Binding binding) {
  TINYML_CHECK(fqn_index_.find(binding.fqn) == fqn_index_.end());
  binding_index_[binding.value] = bindings_.size();
  fqn_index_[binding.fqn] = bindings_.size();
  bindings_.push_back(std::move(binding));
}

void Graph::add_output(Output output) { outputs_.push_back(std::move(output)); }

void Graph::add_uses(NodeId id, const Argument& argument) {
  argument.for_each_value([&](ValueId value) { values_[index_of(value)].users.push_back(id); });
}

void Graph::remove_uses(NodeId id, const Argument& argument) {
  argument.for_each_value([&](ValueId value) {
    auto& users = values_[index_of(value)].users;
    const auto found = std::find(users.begin(), users.end(), id);
    TINYML_CHECK(found != users.end());
    *found = users.back();
    users.pop_back();
  });
}

NodeId Graph::add_node(Node node, NodeId before) {
  const NodeId id{static_cast<uint32_t>(nodes_.size())};
  for (ValueId output : node.outputs) {
    if (output == kNoValue) continue;
    TINYML_CHECK(values_[index_of(output)].producer == kNoNode);
    values_[index_of(output)].producer = id;
  }
  for (const NamedArgument& arg : node.args) add_uses(id, arg.value);
  nodes_.push_back(std::move(node));
  const NodeId previous = before == kNoNode ? tail_ : links_[index_of(before)].previous;
  links_.push_back({previous, before, true});
  (previous == kNoNode ? head_ : links_[index_of(previous)].next) = id;
  (before == kNoNode ? tail_ : links_[index_of(before)].previous) = id;
  ++live_nodes_;
  return id;
}

ValueId Graph::add_operator(std::string op, std::vector<NamedArgument> args, TensorType type, NodeId before,
                            NodeId like) {
  const size_t start = op.find('.') == std::string::npos ? 0 : op.find('.') + 1;
  const ValueId output = add_value(op.substr(start, op.find('.', start) - start), std::move(type));
  Node node;
  node.op = std::move(op);
  node.args = std::move(args);
  node.outputs = {output};
  if (like != kNoNode) node.metadata = nodes_[index_of(like)].metadata;
  add_node(std::move(node), before);
  return output;
}

void Graph::set_arg(NodeId id, size_t index, Argument argument) {
  add_uses(id, argument);
  Argument& slot = nodes_[index_of(id)].args.at(index).value;
  remove_uses(id, slot);
  slot = std::move(argument);
}

void Graph::set_args(NodeId id, std::vector<NamedArgument> args) {
  for (const NamedArgument& arg : args) add_uses(id, arg.value);
  for (const NamedArgument& arg : nodes_[index_of(id)].args) remove_uses(id, arg.value);
  nodes_[index_of(id)].args = std::move(args);
}

void Graph::set_op(NodeId id, std::string op, std::vector<NamedArgument> args) {
  set_args(id, std::move(args));
  nodes_[index_of(id)].op = std::move(op);
}

void Graph::set_output(size_t index, Output output) { outputs_.at(index) = std::move(output); }

void Graph::set_outputs(std::vector<Output> outputs) { outputs_ = std::move(outputs); }

namespace {

void replace_value(Argument& argument, ValueId from, ValueId to) {
  if (auto* value = std::get_if<ValueId>(&argument.data)) {
    if (*value == from) *value = to;
  } else if (auto* list = std::get_if<Argument::List>(&argument.data)) {
    for (Argument& item : *list) replace_value(item, from, to);
  }
}

}  // namespace

void Graph::replace_all_uses(ValueId from, ValueId to) {
  if (from == to) return;
  std::vector<NodeId> users = std::exchange(values_[index_of(from)].users, {});
  for (NodeId user : users) {
    for (NamedArgument& arg : nodes_[index_of(user)].args) replace_value(arg.value, from, to);
  }
  auto& target = values_[index_of(to)].users;
  target.insert(target.end(), users.begin(), users.end());
  for (Output& output : outputs_) replace_value(output.value, from, to);
}

void Graph::erase_node(NodeId id) {
  Link& link = links_[index_of(id)];
  TINYML_CHECK(link.alive);
  Node& node = nodes_[index_of(id)];
  for (ValueId output : node.outputs) {
    if (output == kNoValue) continue;
    TINYML_CHECK(is_unused(output));
    values_[index_of(output)].producer = kNoNode;
    names_.erase(values_[index_of(output)].name);
    values_[index_of(output)].name.clear();
  }
  for (const NamedArgument& arg : node.args) remove_uses(id, arg.value);
  node = Node{};
  (link.previous == kNoNode ? head_ : links_[index_of(link.previous)].next) = link.next;
  (link.next == kNoNode ? tail_ : links_[index_of(link.next)].previous) = link.previous;
  link.alive = false;
  --live_nodes_;
}

void Graph::erase_binding(ValueId id) {
  TINYML_CHECK(is_unused(id));
  const auto found = binding_index_.find(id);
  TINYML_CHECK(found != binding_index_.end());
  bindings_.erase(bindings_.begin() + static_cast<std::ptrdiff_t>(found->second));
  binding_index_.clear();
  fqn_index_.clear();
  for (size_t i = 0; i < bindings_.size(); ++i) {
    binding_index_[bindings_[i].value] = i;
    fqn_index_[bindings_[i].fqn] = i;
  }
  names_.erase(values_[index_of(id)].name);
  values_[index_of(id)].name.clear();
}

void Graph::rename_binding(ValueId id, std::string fqn) {
  const auto found = binding_index_.find(id);
  TINYML_CHECK(found != binding_index_.end());
  Binding& binding = bindings_[found->second];
  if (binding.fqn == fqn) return;
  if (fqn_index_.contains(fqn)) throw Error("The model already has a tensor named '" + fqn + "'.");
  for (Output& output : outputs_) {
    const bool writes = output.kind == OutputKind::kBufferMutation || output.kind == OutputKind::kParameterMutation;
    if (writes && output.target == binding.fqn) output.target = fqn;
  }
  fqn_index_.erase(binding.fqn);
  fqn_index_[fqn] = found->second;
  binding.fqn = std::move(fqn);
}

void Graph::set_binding_data(ValueId id, Tensor data) {
  const auto found = binding_index_.find(id);
  TINYML_CHECK(found != binding_index_.end());
  TensorType& type = values_[index_of(id)].tensor;
  const bool requires_grad = type.requires_grad;
  const Device device = type.device;
  type = TensorType::of(data.type(), data.shape());
  type.requires_grad = requires_grad;
  type.device = device;
  bindings_[found->second].data = std::move(data);
}

void Graph::set_tensor_type(ValueId id, TensorType type) { values_[index_of(id)].tensor = std::move(type); }

void Graph::rename_value(ValueId id, std::string name) {
  Value& value = values_[index_of(id)];
  if (value.name == name) return;
  names_.erase(value.name);
  value.name = unique_name(std::move(name));
}

void Graph::erase_dead_nodes() {
  std::vector<bool> needed(values_.size(), false);
  for (const Output& output : outputs_) output.value.for_each_value([&](ValueId id) { needed[index_of(id)] = true; });
  for (NodeId id = tail_; id != kNoNode;) {
    const NodeId previous = previous_node(id);
    const Node& current = node(id);
    const bool live = std::any_of(current.outputs.begin(), current.outputs.end(), [&](ValueId output) {
      return output != kNoValue && (needed[index_of(output)] || !value(output).users.empty());
    });
    if (!live) erase_node(id);
    id = previous;
  }
}

}  // namespace tinyml
