// A graph made ready to run: operators looked up, constant arguments converted, lifetimes known.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/core/dispatch/Dispatcher.h>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tinyml/graph.h"
#include "train/ivalues.h"
#include "train/numbers.h"

namespace tinyml::train {

/// Parameters, buffers and constants by name.
using TensorsByName = std::map<std::string, at::Tensor, std::less<>>;

/// What differs from one forward pass to another.
struct RunMode {
  bool training = false;
  bool batch_norm_frozen = false;
  c10::Device device = c10::kCPU;
  /// Whether batch norm runs as in training.
  bool normalizes_by_batch() const { return training && !batch_norm_frozen; }
};

class Frame;

struct Program {
  struct PreparedArgument {
    c10::IValue constant;
    Argument source;    ///< Used unless `is_constant`.
    c10::TypePtr type;  ///< As the operator declares it; null without a schema.
    bool is_constant = false;
  };
  /// What the module's mode changes about a node; positions are of arguments.
  struct ModeRule {
    std::optional<size_t> training;  ///< Whether the operator runs as in training.
    bool is_norm = false;            ///< Follows batch_norm_frozen as well.
    std::optional<size_t> momentum;  ///< Of a batch norm; 0 asks for the cumulative average.
    std::optional<size_t> observer;  ///< A switch tensor that is 0 in eval mode.
    at::Tensor counter;              ///< num_batches_tracked, or undefined.
    bool counts_batches = false;     ///< Runs in training only: it only updates num_batches_tracked.
  };
  enum class Kind : uint8_t { kOperator, kNumber, kNothing, kCond, kWhile, kSetGrad, kAutocast };
  struct Step {
    NodeId node = kNoNode;
    Kind kind = Kind::kOperator;
    std::optional<c10::OperatorHandle> op;
    NumberFunction number = nullptr;
    std::vector<PreparedArgument> args;
    std::vector<std::unique_ptr<Program>> bodies;
    ModeRule mode;
    /// Runs in place of the operator when set; returns nothing to let the operator run.
    std::function<std::optional<at::Tensor>(Frame&)> replacement;
    std::vector<ValueId> last_reads;  ///< Values that nobody reads after this step.
  };

  Graph graph;
  std::vector<Step> steps;
};

/// Names the parameter, buffer or constant behind a value of a graph, "" for any other.
using NameOf = std::function<std::string(ValueId)>;

/// Everything that cannot run is appended to `problems`.
Program make_program(const Graph& graph, const NameOf& name_of, const TensorsByName& tensors,
                     std::vector<Diagnostic>& problems);

/// The rule of a node with that schema. `name_of` tells which tensors are whose.
Program::ModeRule find_mode_rule(const Graph& graph, const Node& node, const NameOf& name_of,
                                 const TensorsByName& tensors);
/// Whether the tensor of that name counts the batches of a norm.
bool is_batch_counter(const std::string& name);

/// One forward pass, or one run of a body.
class Frame {
 public:
  Frame(const Program& program, const RunMode& mode)
      : program_(program), mode_(mode), values_(program.graph.value_limit()) {}

  const Program& program() const { return program_; }
  const RunMode& mode() const { return mode_; }
  void set(ValueId id, c10::IValue value) { values_[index_of(id)] = std::move(value); }
  const c10::IValue& value(ValueId id) const { return values_[index_of(id)]; }
  at::Tensor tensor(ValueId id) const { return to_tensor(value(id), mode_.device); }

  void run_all();
  /// Runs one step and stores what it returns; does not free what it read.
  void run(const Program::Step& step);
  /// Calls the step's operator with the argument at `index` replaced.
  at::Tensor call_with(const Program::Step& step, const std::vector<std::pair<size_t, c10::IValue>>& replaced) const;
  /// The graph's outputs in order.
  std::vector<c10::IValue> outputs() const;

 private:
  ArgumentContext context() const;
  std::vector<c10::IValue> arguments(const Program::Step& step) const;
  void apply_mode(const Program::Step& step, std::vector<c10::IValue>& args) const;
  void run_operator(const Program::Step& step);
  void run_control(const Program::Step& step);
  std::vector<c10::IValue> operands(const Argument& list) const;
  std::vector<c10::IValue> run_body(const Program& body, const std::vector<c10::IValue>& inputs) const;
  void store(const Node& node, std::vector<c10::IValue> results);

  const Program& program_;
  const RunMode& mode_;
  std::vector<c10::IValue> values_;
};

}  // namespace tinyml::train
