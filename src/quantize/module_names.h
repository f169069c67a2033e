// Where in the module tree the nodes that quantization adds belong, and what their modules are called.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "tinyml/graph.h"

namespace tinyml::quantization {

inline constexpr std::string_view kFakeQuantize = "tinyml.nn.fake_quantize.FakeQuantize";
inline constexpr std::string_view kWeightFakeQuantize = "tinyml.nn.fake_quantize.WeightFakeQuantize";
inline constexpr std::string_view kRequantize = "tinyml.nn.fake_quantize.Requantize";

/// Whether the class is a layer of torch.nn or tinyml.nn, which cannot get submodules, and not a container of them.
bool is_layer_class(std::string_view type);

/// Whether both names are of one tensor.
bool are_tied(const Binding& a, const Binding& b);

/// The module calls around the innermost module of the user's own (or container): where a new submodule can be called.
std::vector<ModuleCall> enclosing_calls(const Node& node);

/// The last component of a dotted name.
std::string_view last_component(std::string_view path);

/// "add" for "aten.add.Tensor".
std::string base_name(std::string_view op);

/// Gives each inserted module its path. A module called twice (a shared one) gives the same names in the same order in
/// both calls, so that its FakeQuants are shared like the rest of it.
class ModuleNames {
 public:
  explicit ModuleNames(const Graph& graph);

  /// The stack of a new module `prefix` + the local name of the node's layer or operator, called where the node is.
  std::vector<ModuleCall> call_after(const Node& node, std::string_view prefix, std::string_view type);
  /// The stack of a new module in the root.
  std::vector<ModuleCall> call_in_root(std::string_view name, std::string_view type);
  /// The stack of a new module `name` in the innermost module of `stack`.
  static std::vector<ModuleCall> call_inside(std::vector<ModuleCall> stack, std::string_view name,
                                             std::string_view type);

 private:
  std::vector<ModuleCall> call_in(std::vector<ModuleCall> stack, std::string name, std::string_view type);

  std::vector<ModuleCall> root_;
  std::map<std::string, std::map<std::string, int>> used_;  ///< Key of the enclosing call -> name -> times.
  std::map<std::string, bool> taken_;                       ///< Paths of the original's modules.
};

}  // namespace tinyml::quantization
