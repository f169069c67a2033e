#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "tinyml/schema.h"

namespace tinyml {
namespace {

class Verifier {
 public:
  explicit Verifier(const Graph& graph) : graph_(graph), defined_(graph.value_limit(), false) {}

  std::vector<Diagnostic> run() {
    check_placeholders();
    for (NodeId id : graph_.nodes()) check_node(id);
    check_outputs();
    check_users();
    return std::move(problems_);
  }

 private:
  void report(std::string what, const Node* node = nullptr) {
    Diagnostic problem{std::move(what), {}, {}, {}};
    if (node != nullptr) {
      problem.module_path = node->module_path();
      problem.where = node->source();
    }
    problems_.push_back(std::move(problem));
  }

  /// False (and reported) unless the id is in range and new.
  void define(ValueId id, const std::string& what, const Node* node) {
    if (index_of(id) >= graph_.value_limit()) return report(fmt::format("{} is not a value of the graph", what), node);
    const Value& value = graph_.value(id);
    if (defined_[index_of(id)]) report(fmt::format("{}: the value '{}' is defined twice", what, value.name), node);
    defined_[index_of(id)] = true;
    if (value.name.empty()) report(fmt::format("{} has no name", what), node);
    if (!names_.insert(value.name).second) report(fmt::format("two values are named '{}'", value.name), node);
    if (value.kind == ValueKind::kTensor) {
      for (const Dim& dim : value.tensor.shape) {
        if (dim.is_static() && dim.hint() < 0)
          report(fmt::format("the value '{}' has a negative size", value.name), node);
      }
    }
  }

  bool check_use(ValueId id, const std::string& what, const Node* node) {
    if (index_of(id) >= graph_.value_limit()) {
      report(fmt::format("{} reads an id that is no value of the graph", what), node);
      return false;
    }
    if (!defined_[index_of(id)]) {
      report(fmt::format("{} reads '{}' before it is defined", what, graph_.value(id).name), node);
    }
    return true;
  }

  void check_placeholders() {
    std::set<std::string> fqns;
    for (const Binding& binding : graph_.bindings()) {
      const std::string what = fmt::format("the tensor '{}'", binding.fqn);
      define(binding.value, what, nullptr);
      if (!fqns.insert(binding.fqn).second) report(fmt::format("two tensors are named '{}'", binding.fqn));
      if (index_of(binding.value) >= graph_.value_limit()) continue;
      const Value& value = graph_.value(binding.value);
      if (value.producer != kNoNode) report(fmt::format("{} is also computed by a node", what));
      if (value.kind != ValueKind::kTensor) report(fmt::format("{} is bound to a value that is no tensor", what));
      if (!binding.data.defined()) {
        report(fmt::format("{} has no data", what));
      } else if (binding.data.type() != value.tensor.type || binding.data.shape() != value.tensor.sizes()) {
        report(fmt::format("{} has another type or shape than its value '{}'", what, value.name));
      }
    }
    for (const Input& input : graph_.inputs()) {
      if (input.value == kNoValue) continue;
      define(input.value, fmt::format("the input '{}'", input.name), nullptr);
      if (index_of(input.value) < graph_.value_limit() && graph_.value(input.value).producer != kNoNode) {
        report(fmt::format("the input '{}' is also computed by a node", input.name));
      }
    }
  }

  void check_node(NodeId id) {
    const Node& node = graph_.node(id);
    for (const NamedArgument& arg : node.args) {
      arg.value.for_each_value([&](ValueId value) {
        if (check_use(value, fmt::format("{} (argument '{}')", node.op, arg.name), &node))
          ++uses_[{index_of(value), index_of(id)}];
      });
      if (const auto* body = std::get_if<std::shared_ptr<const Graph>>(&arg.value.data)) check_body(**body, node);
    }
    if (node.op.empty()) report("a node has no operator", &node);
    check_schema(node);
    for (ValueId output : node.outputs) {
      if (output == kNoValue) continue;
      define(output, fmt::format("a result of {}", node.op), &node);
      if (index_of(output) < graph_.value_limit() && graph_.value(output).producer != id) {
        report(fmt::format("the value '{}' has another producer than {}", graph_.value(output).name, node.op), &node);
      }
    }
  }

  void check_body(const Graph& body, const Node& node) {
    for (Diagnostic& problem : Verifier(body).run()) {
      problem.what = fmt::format("in a body of {}: {}", node.op, problem.what);
      problems_.push_back(std::move(problem));
    }
  }

  void check_schema(const Node& node) {
    const OpSchema* schema = find_schema(node.op);
    if (schema == nullptr) return;
    const bool same =
        std::equal(node.args.begin(), node.args.end(), schema->arguments.begin(), schema->arguments.end(),
                   [](const NamedArgument& arg, const SchemaArgument& known) { return arg.name == known.name; });
    if (!same)
      report(fmt::format("{}: its arguments are not those of the operator's schema, in order", node.op), &node);
    if (!schema->returns_list() && node.outputs.size() != schema->returns.size()) {
      report(fmt::format("{} has {} results instead of {}", node.op, node.outputs.size(), schema->returns.size()),
             &node);
    }
    if (schema->returns_list() && schema->returns[0].kind == SchemaKind::kTensor && !node.returns_list) {
      report(fmt::format("{} returns a list, but its node does not say so", node.op), &node);
    }
  }

  void check_outputs() {
    for (const Output& output : graph_.outputs()) {
      output.value.for_each_value([&](ValueId value) { check_use(value, "an output", nullptr); });
      if (output.kind == OutputKind::kUser) continue;
      if (!output.value.is_value()) report("a mutation or loss output is not a value");
      const bool binding = output.kind == OutputKind::kBufferMutation || output.kind == OutputKind::kParameterMutation;
      if (binding && graph_.find_binding(output.target) == nullptr) {
        report(fmt::format("an output updates '{}', which the graph does not have", output.target));
      }
    }
  }

  /// The lists of users must mirror the arguments.
  void check_users() {
    for (size_t i = 0; i < graph_.value_limit(); ++i) {
      if (!defined_[i]) continue;
      const Value& value = graph_.value(ValueId{static_cast<uint32_t>(i)});
      std::map<size_t, size_t> listed;
      for (NodeId user : value.users) ++listed[index_of(user)];
      size_t actual = 0;
      bool same = true;
      for (auto it = uses_.lower_bound({i, 0}); it != uses_.end() && it->first.first == i; ++it, ++actual) {
        const auto found = listed.find(it->first.second);
        same &= found != listed.end() && found->second == it->second;
      }
      if (!same || actual != listed.size())
        report(fmt::format("the users of '{}' are not listed correctly", value.name));
    }
  }

  const Graph& graph_;
  std::vector<bool> defined_;
  std::set<std::string> names_;
  std::map<std::pair<size_t, size_t>, size_t> uses_;  ///< (value, node) -> occurrences.
  std::vector<Diagnostic> problems_;
};

}  // namespace

void verify(const Graph& graph) {
  std::vector<Diagnostic> problems = Verifier(graph).run();
  if (problems.empty()) return;
  const std::string summary = fmt::format("the graph has {} defects", problems.size());
  throw Error(summary, std::move(problems));
}

}  // namespace tinyml
