#include "tflite/dynamic/propagate_sizes.h"

#include <algorithm>

#include "tflite/dynamic/infer_dynamic_shape.h"
#include "tflite/options_codec.h"
#include "tflite/passes/evaluate_operator.h"

namespace tinyml::tflite {
namespace {

constexpr int64_t kMostSizes = 64;  // Elements of a tensor that may hold sizes.

class Propagation {
 public:
  Propagation(const Model& model, SizeClasses& classes)
      : model_(model), classes_(classes), visited_(model.subgraphs.size(), false) {
    for (Subgraph& subgraph : model_.subgraphs) {
      for (Operator& op : subgraph.operators) {
        if (std::holds_alternative<std::monostate>(op.options)) op.options = default_options(op.op);
      }
    }
  }

  ModelShapes run() {
    for (size_t s = 0; s < model_.subgraphs.size(); ++s) {
      if (!is_called(s)) visit(s, nullptr);
    }
    for (size_t s = 0; s < model_.subgraphs.size(); ++s) {
      if (!visited_[s]) visit(s, nullptr);
    }
    ModelShapes shapes;
    for (const Subgraph& subgraph : model_.subgraphs) {
      shapes.emplace_back();
      for (const Tensor& tensor : subgraph.tensors) shapes.back().push_back(tensor.shape);
    }
    return shapes;
  }

 private:
  using Callees = std::vector<int32_t>;

  static Callees callees_of(const Operator& op) {
    if (const auto* branch = std::get_if<IfOptions>(&op.options)) return {branch->then_subgraph, branch->else_subgraph};
    if (const auto* loop = std::get_if<WhileOptions>(&op.options)) return {loop->cond_subgraph, loop->body_subgraph};
    return {};
  }

  bool is_called(size_t s) const {
    for (const Subgraph& subgraph : model_.subgraphs) {
      for (const Operator& op : subgraph.operators) {
        const Callees callees = callees_of(op);
        if (std::find(callees.begin(), callees.end(), static_cast<int32_t>(s)) != callees.end()) return true;
      }
    }
    return false;
  }

  void visit(size_t s, const std::vector<Shape>* given) {
    Subgraph& subgraph = model_.subgraphs[s];
    const auto shape_at = [&](int id) -> Shape& { return subgraph.tensors[static_cast<size_t>(id)].shape; };
    if (given != nullptr && given->size() != subgraph.inputs.size()) throw Misfit{*given};
    if (visited_[s]) {  // Called from two places, or from inside of itself.
      for (size_t i = 0; given != nullptr && i < given->size(); ++i) {
        if (shape_at(subgraph.inputs[i]) != (*given)[i]) throw Misfit{{(*given)[i], shape_at(subgraph.inputs[i])}};
      }
      return;
    }
    visited_[s] = true;
    Editor editor(subgraph);
    for (size_t i = 0; i < subgraph.inputs.size(); ++i) {
      const int id = subgraph.inputs[i];
      shape_at(id) = given != nullptr ? (*given)[i] : classes_.shape_of(s, id, editor.tensor(id));
    }
    for (int o = 0; o < editor.count(); ++o) step(s, editor, o);
  }

  static std::vector<Shape> input_shapes(const Editor& editor, const Operator& op) {
    std::vector<Shape> shapes;
    for (const int id : op.inputs) {
      if (id != kNoTensor) shapes.push_back(editor.tensor(id).shape);
    }
    return shapes;
  }

  void step(size_t s, Editor& editor, int o) {
    const Operator& op = editor.op(o);
    std::optional<std::vector<Shape>> shapes;
    try {
      const Checker checker{model_, editor.subgraph(), found_, true};
      if (const Callees callees = callees_of(op); !callees.empty()) {
        shapes = call(editor, op, callees);
      } else if (!op.channels_first) {
        shapes = infer_dynamic_shapes(editor, checker, op);
      }
    } catch (const Error&) {
      throw Misfit{input_shapes(editor, op)};
    }
    for (size_t i = 0; i < op.outputs.size(); ++i) {
      Tensor& out = editor.tensor(op.outputs[i]);
      if (!out.has_rank || out.opaque) continue;
      if (!shapes || i >= shapes->size()) {
        out.shape = classes_.shape_of(s, op.outputs[i], out);
        continue;
      }
      if ((*shapes)[i].size() != out.shape.size()) throw Misfit{input_shapes(editor, op)};
      out.shape = (*shapes)[i];
    }
    compute(editor, op);
  }

  // The shapes of a branch's results, or of a loop's, which change in no round.
  std::optional<std::vector<Shape>> call(const Editor& editor, const Operator& op, const Callees& callees) {
    std::vector<Shape> given = input_shapes(editor, op);
    const bool is_loop = op.op == Op::WHILE;
    if (!is_loop && !given.empty()) given.erase(given.begin());  // The condition.
    std::vector<std::vector<Shape>> results;
    for (const int32_t callee : callees) {
      if (callee < 0 || static_cast<size_t>(callee) >= model_.subgraphs.size()) return std::nullopt;
      visit(static_cast<size_t>(callee), &given);
      results.emplace_back();
      const Subgraph& called = model_.subgraphs[static_cast<size_t>(callee)];
      for (const int id : called.outputs) results.back().push_back(called.tensors[static_cast<size_t>(id)].shape);
    }
    const std::vector<Shape>& expected = is_loop ? given : results[0];
    if (results[1] != expected) throw Misfit{given};
    return results[1];
  }

  // Contents of what may be a size.
  static void compute(Editor& editor, const Operator& op) {
    if (op.outputs.size() != 1 || op.inputs.empty() || op.channels_first) return;
    Tensor& out = editor.tensor(op.outputs[0]);
    const bool is_integer = out.type == Type::INT32 || out.type == Type::INT64 || out.type == Type::BOOL;
    if (!is_integer || out.opaque || out.is_variable || element_count(out.shape) > kMostSizes) return;
    const bool known = op.op == Op::SHAPE || std::all_of(op.inputs.begin(), op.inputs.end(), [&](int id) {
                         return id != kNoTensor && editor.tensor(id).is_constant();
                       });
    if (!known) return;
    try {
      if (auto contents = evaluate_operator(editor, op, false)) out.buffer = std::move(*contents);
    } catch (const Error&) {
      return;  // What is not computed here is of unknown size.
    }
  }

  Model model_;
  SizeClasses& classes_;
  std::vector<bool> visited_;
  std::vector<Diagnostic> found_;
};

}  // namespace

std::variant<ModelShapes, Misfit> propagate_sizes(const Model& model, SizeClasses& classes) {
  try {
    return Propagation(model, classes).run();
  } catch (const Misfit& misfit) {
    return misfit;
  }
}

}  // namespace tinyml::tflite
