#include <fmt/format.h>

#include "tinyml/graph.h"

namespace tinyml {
namespace {

bool is_library_frame(const SourceLocation& frame) {
  return frame.file.find("/site-packages/torch/") != std::string::npos || frame.file.rfind("torch/", 0) == 0 ||
         frame.file.find("/dist-packages/torch/") != std::string::npos ||
         frame.file.find("/tinyml/nn/") != std::string::npos ||  // layers that generated code calls
         frame.file.rfind("<eval_with_key>", 0) == 0;  // code that torch generates for the bodies of torch.cond
}

}  // namespace

bool TensorType::is_static() const {
  for (const Dim& dim : shape) {
    if (!dim.is_static()) return false;
  }
  return true;
}

std::vector<int64_t> TensorType::sizes() const {
  std::vector<int64_t> sizes;
  sizes.reserve(shape.size());
  for (const Dim& dim : shape) sizes.push_back(dim.hint());
  return sizes;
}

TensorType TensorType::of(ScalarType type, const std::vector<int64_t>& sizes) {
  TensorType result;
  result.type = type;
  result.shape.assign(sizes.begin(), sizes.end());
  return result;
}

bool Node::has_arg(std::string_view name) const {
  for (const NamedArgument& arg : args) {
    if (arg.name == name) return true;
  }
  return false;
}

size_t Node::arg_index(std::string_view name) const {
  for (size_t i = 0; i < args.size(); ++i) {
    if (args[i].name == name) return i;
  }
  throw Error({fmt::format("operator {} has no argument '{}'", op, name), module_path(), source(), ""});
}

const Argument& Node::arg(std::string_view name) const { return args[arg_index(name)].value; }

ValueId Node::output() const {
  TINYML_CHECK(outputs.size() == 1 && outputs[0] != kNoValue);
  return outputs[0];
}

const std::string& Node::module_path() const {
  static const std::string root;
  return metadata.module_stack.empty() ? root : metadata.module_stack.back().path;
}

SourceLocation Node::source() const {
  for (size_t i = metadata.stack_trace.size(); i-- > 0;) {
    if (!is_library_frame(metadata.stack_trace[i])) return metadata.stack_trace[i];
  }
  return metadata.stack_trace.empty() ? SourceLocation{} : metadata.stack_trace.back();
}

}  // namespace tinyml
