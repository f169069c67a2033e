// The body of a module's forward: statements and the names of its variables.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "codegen/module_tree.h"

namespace tinyml::codegen {

/// How a call of a module is written by its caller.
struct CallShape {
  std::vector<ValueId> inputs;
  std::vector<ValueId> outputs;
  std::string input_pattern;  ///< See ModuleForm.
  std::string output_pattern;
};

struct Body {
  std::vector<std::string> parameters;  ///< Names of forward's arguments, in the order of CallShape::inputs.
  std::vector<bool> tensors;            ///< Whether each of them is a tensor.
  std::vector<std::string> lines;
  CallShape shape;
  std::vector<const Binding*> constants;  ///< Captured constants that became buffers of this module.
};

/// Names the inputs that the root's forward gets from its signature, and writes its return statement.
struct RootSignature {
  std::map<ValueId, std::string> input_names;
  std::vector<std::string> prologue;  ///< Lines that take nested inputs apart.
  std::vector<std::string> reserved;  ///< Names that are taken.
  std::string device_of;              ///< A tensor argument, or "".
};

class ForwardWriter {
 public:
  ForwardWriter(const Graph& graph, const Aliases& aliases, const CallTree& calls, ModuleTree& modules,
                const std::map<CallId, CallShape>& shapes)
      : graph_(graph), aliases_(aliases), calls_(calls), modules_(modules), shapes_(shapes) {}

  /// The body of one call of a module. `single` says whether it is the module's only call, so that constants may be its
  /// own.
  Body write(CallId call, bool single);
  /// The root's; `names_out` receives the text of every value that an output may need.
  Body write_root(const RootSignature& signature, std::map<ValueId, std::string>& names_out);
  /// Whether the call only runs its direct children one after another, in the order of registration.
  bool is_chain(CallId call) const;

 protected:
  struct Frame;
  void collect(Frame& frame) const;
  void assign_names(Frame& frame) const;
  void write_lines(Frame& frame, Body& body, bool is_root);
  std::optional<std::string> own_text(Frame& frame, ValueId value);
  std::vector<ValueId> reads(const Item& item) const;
  std::vector<ValueId> writes(const Item& item) const;
  std::string item_name(const Item& item) const;

  const Graph& graph_;
  const Aliases& aliases_;
  const CallTree& calls_;
  ModuleTree& modules_;
  const std::map<CallId, CallShape>& shapes_;
};

}  // namespace tinyml::codegen
