// Which module calls which: the tree of nn.Module calls a graph was captured in.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "tinyml/graph.h"

namespace tinyml::codegen {

using CallId = size_t;
inline constexpr CallId kRootCall = 0;

/// One thing that happens while a module's forward runs.
struct Item {
  enum class Kind : uint8_t {
    kNode,      ///< An operator.
    kCall,      ///< The call of another module.
    kMutation,  ///< A buffer (or an input) takes a new value.
  };
  Kind kind = Kind::kNode;
  NodeId node = kNoNode;
  CallId call = 0;
  ValueId target = kNoValue;  ///< kMutation: the placeholder that is written.
  ValueId value = kNoValue;   ///< kMutation: what it takes.
};

/// One call of a module: what it does, in order.
struct Call {
  std::string key;
  std::string path;
  std::string type;  ///< Qualified class name.
  CallId parent = kRootCall;
  bool dissolved = false;  ///< Its items have become its parent's.
  std::vector<Item> items;
};

/// Names that stand for the same tensor (tied weights) or the same module (a module registered twice).
class Aliases {
 public:
  explicit Aliases(const Graph& graph);
  /// The first name of the same tensor.
  const std::string& canonical_name(const std::string& fqn) const;
  /// All names of the same tensor, in the graph's order.
  const std::vector<std::string>& names_of(const std::string& fqn) const;
  /// The first path of the same module: all its tensors, and at least one, are tied to those of that module.
  std::string canonical_path(const std::string& path) const;
  /// Module paths that are another module: path -> canonical path. Outermost paths only.
  const std::map<std::string, std::string>& module_aliases() const { return module_aliases_; }

 private:
  std::map<std::string, std::string> canonical_;
  std::map<std::string, std::vector<std::string>> names_;
  std::map<std::string, std::string> module_aliases_;
};

class CallTree {
 public:
  /// Calls that are entered twice, or that reach modules outside their own, are dissolved.
  CallTree(const Graph& graph, const Aliases& aliases);

  const std::vector<Call>& calls() const { return calls_; }
  const Call& call(CallId id) const { return calls_[id]; }
  /// Living calls of one module, in order.
  std::vector<CallId> calls_of(const std::string& path) const;
  /// Paths of all modules with living calls but the root.
  std::vector<std::string> paths() const;
  /// Replaces the call by its items.
  void dissolve(CallId id);
  /// All nodes of the call and of the calls inside it.
  std::vector<NodeId> nodes_of(CallId id) const;
  /// All mutations of the call and of the calls inside it.
  std::vector<Item> mutations_of(CallId id) const;

 private:
  void dissolve_reentered(const std::map<std::string, std::vector<CallId>>& by_key);
  void dissolve_outside();
  void place_mutations(const Graph& graph);

  std::vector<Call> calls_;
};

/// Whether `path` is the module itself or lies inside it; everything lies inside the root "".
bool is_inside(std::string_view path, std::string_view module);
/// The part of `path` below `module`: ("a.b.c", "a") -> "b.c".
std::string relative_path(std::string_view path, std::string_view module);
/// ("a.b.c") -> {"a.b", "c"}.
std::pair<std::string, std::string> split_path(const std::string& path);

}  // namespace tinyml::codegen
