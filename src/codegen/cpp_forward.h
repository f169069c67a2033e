// The body of a struct's forward in C++, with the names and the structure of the Python code.
#pragma once

#include <memory>

#include "codegen/cpp_modules.h"
#include "codegen/forward_text.h"

namespace tinyml::codegen {

struct CppBody {
  std::vector<std::string> parameters;  ///< "torch::Tensor x".
  std::string returns;                  ///< Type of the result.
  std::vector<std::string> lines;
  CallShape shape;
  std::vector<const Binding*> constants;  ///< Captured constants that became buffers of this module.
};

class CppForwardWriter : public ForwardWriter {
 public:
  CppForwardWriter(const Graph& graph, const Aliases& aliases, const CallTree& calls, ModuleTree& modules,
                   const std::map<CallId, CallShape>& shapes, const CppLayers& written)
      : ForwardWriter(graph, aliases, calls, modules, shapes), aliases_(aliases), written_(written) {}

  /// As ForwardWriter::write.
  CppBody write_body(CallId call, bool single);
  /// The root's: a parameter for each input that is a tensor or a symbolic number, a result for each user output that
  /// is one.
  CppBody write_root_body();

 private:
  std::optional<std::string> own_access(Frame& frame, ValueId value);
  void reserve_members(Frame& frame) const;
  void add_parameters(Frame& frame, CppBody& body, const std::vector<std::string>& wishes);
  void write_body_lines(Frame& frame, CppBody& body);
  void write_item(Frame& frame, CppBody& body, const Item& item, std::set<std::string>& declared);
  std::string write_control_flow(Frame& frame, CppBody& body, const Node& node, std::set<std::string>& declared);
  void write_return(Frame& frame, CppBody& body, const std::vector<ValueId>& results);
  std::string value_name(Frame& frame, ValueId value);

  const Aliases& aliases_;
  const CppLayers& written_;
};

}  // namespace tinyml::codegen
