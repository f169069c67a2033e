#include "train/program.h"

#include <fmt/format.h>

#include <utility>

namespace tinyml::train {
namespace {

using Kind = Program::Kind;
using Step = Program::Step;

struct Region {
  std::string_view op;
  Kind kind;
  size_t first_body;
  size_t bodies;
  size_t first_input;  ///< Where the body's inputs start among the arguments; control flow has them in lists.
};

constexpr Region kRegions[] = {
    {"higher_order.cond", Kind::kCond, 1, 2, 0},
    {"higher_order.while_loop", Kind::kWhile, 0, 2, 0},
    {"higher_order.wrap_with_set_grad_enabled", Kind::kSetGrad, 1, 1, 2},
    {"higher_order.wrap_with_autocast", Kind::kAutocast, 4, 1, 5},
};

/// States facts of the capture's own device; nothing to run.
bool is_assertion_of_capture(std::string_view op) { return op == "aten._assert_tensor_metadata.default"; }

/// "aten.conv2d.default" -> ("aten::conv2d", "").
std::optional<c10::OperatorName> operator_name(const std::string& op) {
  const size_t first = op.find('.');
  const size_t last = op.rfind('.');
  if (first == std::string::npos || last == first) return std::nullopt;
  const std::string overload = op.substr(last + 1);
  return c10::OperatorName(op.substr(0, first) + "::" + op.substr(first + 1, last - first - 1),
                           overload == "default" ? "" : overload);
}

class ProgramMaker {
 public:
  ProgramMaker(const Graph& graph, const NameOf& name_of, const TensorsByName& tensors,
               std::vector<Diagnostic>& problems)
      : name_of_(name_of), tensors_(tensors), problems_(problems) {
    program_.graph = graph;
  }

  Program make() {
    for (const NodeId id : program_.graph.nodes()) {
      const Node& node = program_.graph.node(id);
      try {
        program_.steps.push_back(make_step(id, node));
      } catch (const Error& error) {
        add_problem(node, error.diagnostics()[0].what, error.diagnostics()[0].remedy);
      } catch (const c10::Error& error) {
        add_problem(node, error.msg(), "");
      }
    }
    find_last_reads();
    return std::move(program_);
  }

 private:
  void add_problem(const Node& node, const std::string& what, const std::string& remedy) {
    problems_.push_back({fmt::format("{}: {}", node.op, what), node.module_path(), node.source(), remedy});
  }

  Step make_step(NodeId id, const Node& node) {
    Step step;
    step.node = id;
    if (is_assertion_of_capture(node.op)) {
      step.kind = Kind::kNothing;
      return step;
    }
    for (const Region& region : kRegions) {
      if (region.op == node.op) return make_region(id, node, region);
    }
    step.number = find_number_function(node.op);
    if (step.number != nullptr) {
      step.kind = Kind::kNumber;
      for (const NamedArgument& arg : node.args) step.args.push_back(prepare(arg.value, nullptr));
      return step;
    }
    const auto name = operator_name(node.op);
    if (name) step.op = c10::Dispatcher::singleton().findSchema(*name);
    if (!step.op) {
      throw Error("LibTorch has no operator of this name",
                  node.op.starts_with("aten.") || node.op.starts_with("higher_order.")
                      ? "rewrite the line with other operators, or decompose it: ExportedProgram.run_decompositions"
                      : "load the library that registers it before the GraphModule is made");
    }
    prepare_arguments(node, step);
    step.mode = find_mode_rule(program_.graph, node, name_of_, tensors_);
    return step;
  }

  void prepare_arguments(const Node& node, Step& step) {
    const c10::FunctionSchema& schema = step.op->schema();
    std::vector<bool> used(node.args.size(), false);
    for (size_t position = 0; position < schema.arguments().size(); ++position) {
      const c10::Argument& declared = schema.arguments()[position];
      std::optional<size_t> found;
      for (size_t i = 0; i < node.args.size() && !found; ++i) {
        if (node.args[i].name == declared.name()) found = i;
      }
      // Arguments of operators without a schema of ours may stand by position.
      if (!found && position < node.args.size() && node.args[position].name.empty()) found = position;
      if (found) {
        used[*found] = true;
        step.args.push_back(prepare(node.args[*found].value, declared.type()));
      } else if (declared.default_value()) {
        step.args.push_back({*declared.default_value(), {}, declared.type(), true});
      } else {
        throw Error(fmt::format("the argument '{}' is missing", declared.name()), "export the model again");
      }
    }
    for (size_t i = 0; i < used.size(); ++i) {
      if (!used[i]) {
        throw Error(fmt::format("LibTorch's operator has no argument '{}'", node.args[i].name),
                    "use the LibTorch of the torch that exported the model");
      }
    }
  }

  static Program::PreparedArgument prepare(const Argument& argument, c10::TypePtr type) {
    Program::PreparedArgument result{{}, argument, type, is_constant(argument)};
    if (result.is_constant) result.constant = type ? to_ivalue(argument, *type, {}) : to_ivalue(argument, {});
    return result;
  }

  Step make_region(NodeId id, const Node& node, const Region& region) {
    Step step;
    step.node = id;
    step.kind = region.kind;
    for (size_t i = region.first_body; i < region.first_body + region.bodies; ++i) {
      if (i >= node.args.size() || !node.args[i].value.is_graph())
        throw Error("it has no body", "export the model again");
      const Graph& body = *std::get<std::shared_ptr<const Graph>>(node.args[i].value.data);
      // The inputs of a body keep the names of what they are given.
      std::map<ValueId, std::string> names;
      for (size_t input = 0; region.first_input > 0 && input < body.inputs().size(); ++input) {
        const size_t position = region.first_input + input;
        if (position >= node.args.size())
          throw Error("its body has more inputs than it is given", "export the model again");
        const Argument& given = node.args[position].value;
        if (given.is_value()) names[body.inputs()[input].value] = name_of_(given.as_value());
      }
      const NameOf name_of = [names](ValueId value) {
        const auto found = names.find(value);
        return found == names.end() ? std::string() : found->second;
      };
      step.bodies.push_back(std::make_unique<Program>(make_program(body, name_of, tensors_, problems_)));
    }
    return step;
  }

  void find_last_reads() {
    const Graph& graph = program_.graph;
    std::vector<bool> read_later(graph.value_limit(), false);
    const auto note = [&](ValueId value, std::vector<ValueId>* last) {
      if (read_later[index_of(value)]) return;
      read_later[index_of(value)] = true;
      if (last != nullptr) last->push_back(value);
    };
    for (const Output& output : graph.outputs()) output.value.for_each_value([&](ValueId v) { note(v, nullptr); });
    for (const Binding& binding : graph.bindings()) note(binding.value, nullptr);
    for (auto step = program_.steps.rbegin(); step != program_.steps.rend(); ++step) {
      const Node& node = graph.node(step->node);
      for (const NamedArgument& arg : node.args)
        arg.value.for_each_value([&](ValueId v) { note(v, &step->last_reads); });
      for (const ValueId output : node.outputs) {
        if (output != kNoValue) note(output, &step->last_reads);
      }
    }
  }

  const NameOf& name_of_;
  const TensorsByName& tensors_;
  std::vector<Diagnostic>& problems_;
  Program program_;
};

}  // namespace

Program make_program(const Graph& graph, const NameOf& name_of, const TensorsByName& tensors,
                     std::vector<Diagnostic>& problems) {
  return ProgramMaker(graph, name_of, tensors, problems).make();
}

}  // namespace tinyml::train
