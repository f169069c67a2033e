// How a module of a known type is written: its constructor, from the nodes of one call and the shapes of its weights.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "codegen/call_text.h"
#include "codegen/call_tree.h"

namespace tinyml::codegen {

/// The nodes of one call of a module, and the tensors registered in it.
class LeafGroup {
 public:
  LeafGroup(const Graph& graph, const Aliases& aliases, const CallTree& tree, CallId call);

  const Graph& graph;
  std::string path;
  std::string type;
  std::vector<NodeId> node_ids;
  std::vector<Item> mutations;

  size_t size() const { return node_ids.size(); }
  const Node& node(size_t index) const { return graph.node(node_ids[index]); }
  /// Whether its only node is that operator.
  bool is_single(std::string_view op) const { return size() == 1 && node(0).op == op && mutations.empty(); }
  /// The tensor of that name relative to the module, or nullptr.
  const Binding* own(const std::string& name) const;
  /// Whether the argument is the module's own tensor of that name, or None if it has none of that name.
  bool is_own_or_none(const Argument& argument, const std::string& name) const;
  /// Names of all tensors registered in it.
  std::vector<std::string> own_names() const;
  /// Sizes of a tensor argument at capture.
  std::vector<int64_t> sizes(const Argument& argument) const;

 private:
  const Aliases& aliases_;
};

struct ModuleForm {
  CallText constructor;
  std::vector<std::string> tensors;  ///< Names of the parameters and buffers the constructor makes.
  std::vector<ValueId> inputs;       ///< What the module is called with.
  std::vector<ValueId> outputs;      ///< What the call returns.
  /// Where the inputs and outputs stand, "{0}, ({1}, {2})"; "" for one after another.
  std::string input_pattern;
  std::string output_pattern;
};

/// The form of a call of a module of `group.type`, or nullopt if the type has none or the nodes are not what that
/// module runs.
std::optional<ModuleForm> find_module_form(const LeafGroup& group);

/// The last part of "torch.nn.modules.conv.Conv2d".
std::string class_name_of(const std::string& type);

// One function a family; each takes a group whose type is of its family.
std::optional<ModuleForm> conv_form(const LeafGroup& group);
std::optional<ModuleForm> linear_form(const LeafGroup& group);
std::optional<ModuleForm> embedding_form(const LeafGroup& group);
std::optional<ModuleForm> batch_norm_form(const LeafGroup& group);
std::optional<ModuleForm> group_norm_form(const LeafGroup& group);
std::optional<ModuleForm> layer_norm_form(const LeafGroup& group);
std::optional<ModuleForm> instance_norm_form(const LeafGroup& group);
std::optional<ModuleForm> prelu_form(const LeafGroup& group);
std::optional<ModuleForm> recurrent_form(const LeafGroup& group);
std::optional<ModuleForm> recurrent_cell_form(const LeafGroup& group);
std::optional<ModuleForm> upsample_form(const LeafGroup& group);
/// tinyml.nn.FakeQuantize, WeightFakeQuantize, Requantize.
std::optional<ModuleForm> fake_quantize_form(const LeafGroup& group);
/// tinyml.nn.QuantLSTM, QuantGRU, QuantRNN, as quantize() made them.
std::optional<ModuleForm> quantized_recurrent_form(const LeafGroup& group);
/// tinyml.nn's layers with a fake-quantized weight: QuantConv2d, ConvBn2d and so on.
std::optional<ModuleForm> quantized_layer_form(const LeafGroup& group);
/// Modules of one operator without tensors, by a table of templates.
std::optional<ModuleForm> stateless_form(const LeafGroup& group);

/// The constructor's arguments of a (transposed) convolution or linear layer, without padding_mode and dtype.
CallText conv_constructor(const LeafGroup& group, const Node& conv, const std::string& callee);
CallText linear_constructor(const LeafGroup& group, const std::string& callee);
CallText embedding_constructor(const LeafGroup& group, const Node& lookup, const std::string& callee);

/// Adds dtype=... unless the tensor holds float32.
void add_dtype(CallText& call, const Tensor& tensor);

}  // namespace tinyml::codegen
