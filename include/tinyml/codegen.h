#pragma once

#include <string>
#include <utility>
#include <vector>

#include "tinyml/graph.h"

namespace tinyml {

struct CodegenOptions {
  std::string class_name = "Model";  ///< Of the generated root class; a Python identifier.
  /// Where the generated `load` function finds the weights by default, relative to the generated file; "" for no
  /// default. A name that ends in ".safetensors" is read by a few lines of the generated file itself, any other by
  /// torch.load.
  std::string weights_path;
};

/// Tensors by name, as they are found in a weights file.
using NamedTensors = std::vector<std::pair<std::string, Tensor>>;

struct PythonModule {
  std::string source;
  /// The state_dict, then the non-persistent buffers and captured constants that are too large to stand in the source.
  NamedTensors weights;
};

/// The model as Python source that needs only torch: one class for each kind of module of the original, `nn` modules
/// where the original had them and functional calls where not. Its state_dict has the original's keys, train() and
/// eval() work as they do in the original, and `load(path)` in the same file returns the model with its weights.
/// Constructor arguments are derived from the graph's nodes and weights alone, so an edited graph prints as it now is.
/// Equal graphs give equal text. An operator without a form of its own is printed as a call of `torch.ops`.
/// Throws Error for what has no Python form: control-flow operators, pytrees of user-defined types.
PythonModule generate_python(const Graph& graph, const CodegenOptions& options = {});

/// Writes the safetensors layout (an 8-byte little-endian header length, a JSON header padded to 64 bytes, raw bytes):
/// the format other tools know that needs neither a pickle nor torch and can be memory-mapped. The file appears only
/// when all is written. Throws Error when that fails.
void write_safetensors(const NamedTensors& tensors, const std::string& path);

/// generate_python to `py_path`, its weights to `weights_path`, which must end in ".safetensors". (From Python, where
/// torch is at hand, any other ending is written by torch.save.)
void generate_code(const Graph& graph, const std::string& py_path, const std::string& weights_path,
                   const std::string& class_name = "Model");

struct CppModule {
  std::string source;
  /// Every parameter, buffer and captured constant by its name in the generated model; tied ones once.
  NamedTensors weights;
};

/// The model as one C++ header that needs only LibTorch: structs derived from torch::nn::Module in a namespace named
/// after the class ("Net": `net::Net`), with the modules, names and structure of generate_python; torch::nn's own
/// modules where LibTorch has them and calls of ATen for the rest. `net::load(path)` returns the model, in eval mode,
/// with the weights of a safetensors file. Parameters and buffers have their names in the original's state_dict.
/// forward takes one argument for each of the graph's inputs that is not a constant and returns the user outputs, as a
/// tuple when there are several. Throws Error naming each operator that has no C++ form (control flow, operators
/// outside ATen) with its module and source line.
CppModule generate_cpp(const Graph& graph, const std::string& class_name = "Model");

/// generate_cpp to `header_path`, its weights to `weights_path`, which must end in ".safetensors".
void generate_cpp_code(const Graph& graph, const std::string& header_path, const std::string& weights_path,
                       const std::string& class_name = "Model");

}  // namespace tinyml
