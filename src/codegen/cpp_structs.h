// Turns the module tree into C++ structs, innermost modules first.
#pragma once

#include <set>

#include "codegen/cpp_forward.h"
#include "codegen/module_form.h"
#include "tinyml/codegen.h"

namespace tinyml::codegen {

class CppStructBuilder {
 public:
  CppStructBuilder(const Graph& graph, const Aliases& aliases, CallTree& calls, ModuleTree& modules,
                   std::string root_name);

  /// The sources of all structs in an order in which they can be defined, the root's last.
  std::vector<std::string> build();
  /// Where each tensor of the graph is in the generated model, tied ones once.
  NamedTensors weights() const;

 private:
  /// Text with slots, of a struct whose name is not decided.
  struct Draft {
    std::string members;
    std::string constructor;
    CppBody body;
    bool has_forward = false;
  };

  void build_path(const std::string& path);
  bool build_library(const std::string& path, const std::vector<CallId>& ids);
  bool build_body(const std::string& path, const std::vector<CallId>& ids);
  bool is_sequential(const std::string& path, const std::vector<CallId>& ids) const;
  bool is_empty(const std::string& path) const;
  void write_members(const std::string& path, Draft& draft) const;
  void write_frozen(Draft& draft) const;
  void make_structs(const std::vector<std::string>& paths);
  std::string struct_name(const std::string& path);
  std::string source_of(const std::string& name, const Draft& draft, const std::vector<std::string>& parameters) const;

  const Graph& graph_;
  const Aliases& aliases_;
  CallTree& calls_;
  ModuleTree& modules_;
  std::string root_name_;
  std::map<CallId, CallShape> shapes_;
  CppLayers written_;
  std::map<std::string, Draft> drafts_;
  std::map<std::string, std::string> types_;
  std::set<std::string> names_;
  std::vector<std::string> sources_;
  std::map<std::string, const Binding*> constants_;
};

}  // namespace tinyml::codegen
