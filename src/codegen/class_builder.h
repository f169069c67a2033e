// Turns the module tree into Python classes, innermost modules first.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "codegen/construct.h"
#include "codegen/forward_text.h"
#include "codegen/module_form.h"

namespace tinyml::codegen {

/// A generated class.
struct ClassText {
  std::string name;
  std::string base = "nn.Module";
  std::vector<std::string> parameters;  ///< Of the constructor.
  std::vector<Statement> statements;    ///< Of the constructor, after super().__init__().
  std::vector<std::string> values;      ///< What stands in the statements' slots: literals and parameters' names.
  Body body;                            ///< No lines: the base class's forward.
};

class ClassBuilder {
 public:
  ClassBuilder(const Graph& graph, const Aliases& aliases, CallTree& calls, ModuleTree& modules, std::string root_name);

  /// Builds everything below the root.
  void build();
  /// The root class; its body has no return statement.
  ClassText build_root(const RootSignature& signature, std::map<ValueId, std::string>& output_names);
  /// The classes that the root class uses, in an order in which they can be defined.
  std::vector<ClassText> used_classes(const ClassText& root) const;
  /// Where the captured constants have become buffers, by their names in the generated model.
  const std::map<std::string, const Binding*>& constants() const { return constants_; }

 private:
  enum class Kind : uint8_t { kHolder, kLeaf, kSequential, kClass };
  struct Instance {
    Kind kind = Kind::kHolder;
    Construct construct;  ///< kLeaf and, once its class is complete, kClass.
    std::vector<Statement> statements;
    std::string base;
    Body body;
  };

  void build_path(const std::string& path);
  bool build_leaf(const std::string& path, const std::vector<CallId>& ids);
  bool build_composite(const std::string& path, const std::vector<CallId>& ids);
  void dissolve_all(const std::string& path, const std::vector<CallId>& ids);
  void make_classes(const std::vector<std::string>& paths);
  ClassText make_class(const std::string& name, const std::vector<std::string>& paths);

  std::vector<Statement> statements_for(const std::string& path);
  void register_tensors(const std::string& path, const std::string& self, std::vector<Statement>& statements);
  void register_children(const std::string& path, const std::string& self, std::vector<Statement>& statements);
  Construct construct_of(const std::string& path, const std::string& self, std::vector<Statement>& deferred);
  /// Statements that take the frozen parameters' gradients away, for whole modules where that is the same.
  void freeze(const std::string& path, std::vector<Statement>& statements) const;
  Construct sequential(const std::string& callee, const std::string& path, const std::string& self,
                       std::vector<Statement>& deferred);
  Construct numbered(const std::string& callee, Construct::Kind kind, const std::string& path, const std::string& self,
                     std::vector<Statement>& deferred);
  /// Whether the module holds other modules only, under names that an nn.ModuleDict can have.
  bool can_be_dictionary(const std::string& path) const;
  /// Whether nothing is registered in the module nor called: it has left no trace.
  bool is_empty(const std::string& path) const;
  std::string class_name(const std::string& type);
  const std::string& type_of(const std::string& path) const;

  const Graph& graph_;
  const Aliases& aliases_;
  CallTree& calls_;
  ModuleTree& modules_;
  std::map<CallId, CallShape> shapes_;
  std::map<std::string, Instance> instances_;
  std::map<std::string, std::string> types_;
  std::vector<ClassText> classes_;
  std::set<std::string> class_names_;
  std::map<std::string, const Binding*> constants_;
};

/// `torch.tensor([...])` for a tensor of few elements, or "" if it is too large to stand in the source.
std::string tensor_literal(const Tensor& tensor);
/// "torch.zeros((4, 4), dtype=torch.int64)" as a construct whose slot is the shape.
Construct empty_tensor(const Tensor& tensor, const std::string& name);

}  // namespace tinyml::codegen
