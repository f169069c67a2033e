// What the modules of the generated C++ model are: torch::nn's own, Sequentials, or structs.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "codegen/call_text.h"
#include "codegen/module_tree.h"

namespace tinyml::codegen {

/// How one module of the tree is written.
struct CppLayer {
  enum class Kind : uint8_t {
    kEmpty,       ///< Nothing is registered in it nor called: not written.
    kLibrary,     ///< A module of torch::nn.
    kSequential,  ///< torch::nn::Sequential of its children.
    kStruct,      ///< A struct of the generated code.
  };
  Kind kind = Kind::kStruct;
  std::string type;       ///< "torch::nn::Conv2d", "BasicBlock".
  std::string construct;  ///< The expression that makes it, with slots (see slot_text).
};

using CppLayers = std::map<std::string, CppLayer>;

/// A number inside text that differs between the instances of one struct: it can become a parameter of the
/// constructor.
std::string slot_text(const std::string& name, const std::string& value);

/// The module of torch::nn that the constructor of Python's makes, or nullopt when LibTorch has none that is equal.
std::optional<CppLayer> find_library_module(const CallText& constructor);

/// The expression for a module or tensor inside `module`, from that module's point of view:
/// "layer1->at<BasicBlock>(0).conv1->weight".
std::string cpp_access(const CppLayers& modules, const std::string& module, const std::string& path);

}  // namespace tinyml::codegen
