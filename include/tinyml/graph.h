#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "tinyml/error.h"
#include "tinyml/sym_expr.h"
#include "tinyml/tensor.h"

namespace tinyml {

class Graph;

enum class ValueId : uint32_t {};
enum class NodeId : uint32_t {};
inline constexpr ValueId kNoValue{UINT32_MAX};
inline constexpr NodeId kNoNode{UINT32_MAX};
constexpr size_t index_of(ValueId id) { return static_cast<size_t>(id); }
constexpr size_t index_of(NodeId id) { return static_cast<size_t>(id); }

enum class MemoryFormat : uint8_t { kContiguous, kChannelsLast, kChannelsLast3d, kPreserve };
enum class Layout : uint8_t { kStrided, kSparseCoo, kSparseCsr, kSparseCsc, kSparseBsr, kSparseBsc, kMkldnn, kJagged };
struct Device {
  std::string type = "cpu";
  std::optional<int64_t> index;
  friend bool operator==(const Device&, const Device&) = default;
};

/// What stands at one argument position of a node: None, a value of the graph, a constant, or a list of these.
/// Symbolic integers are values (of kind kSymInt) like tensors are.
struct Argument {
  using List = std::vector<Argument>;
  std::variant<std::monostate, ValueId, int64_t, double, bool, std::string, ScalarType, MemoryFormat, Layout, Device,
               List, std::shared_ptr<const Graph>>
      data;

  Argument() = default;
  template <typename T>
  requires(!std::is_same_v<std::decay_t<T>, Argument>) Argument(T value)
      : data(std::move(value)) {}                // NOLINT(google-explicit-constructor): an argument is its value.
  Argument(int value) : data(int64_t{value}) {}  // NOLINT(google-explicit-constructor)
  Argument(const char* value) : data(std::string(value)) {}  // NOLINT(google-explicit-constructor)
  static Argument ints(const std::vector<int64_t>& values);

  bool is_none() const { return std::holds_alternative<std::monostate>(data); }
  bool is_value() const { return std::holds_alternative<ValueId>(data); }
  bool is_int() const { return std::holds_alternative<int64_t>(data); }
  bool is_double() const { return std::holds_alternative<double>(data); }
  bool is_bool() const { return std::holds_alternative<bool>(data); }
  bool is_string() const { return std::holds_alternative<std::string>(data); }
  bool is_list() const { return std::holds_alternative<List>(data); }
  bool is_graph() const { return std::holds_alternative<std::shared_ptr<const Graph>>(data); }
  bool is_number() const { return is_int() || is_double() || is_bool(); }
  /// Whether it is a list of plain integers only (an empty list is).
  bool is_int_list() const;

  // Each throws Error when the argument holds something else.
  ValueId as_value() const;
  int64_t as_int() const;    ///< bool counts as 0 or 1.
  double as_double() const;  ///< Any number.
  bool as_bool() const;
  const std::string& as_string() const;
  ScalarType as_scalar_type() const;
  const List& as_list() const;
  std::vector<int64_t> as_ints() const;    ///< A list of plain integers.
  std::vector<ValueId> as_values() const;  ///< A list of values; None entries become kNoValue.

  /// Calls visit(ValueId) for every value inside, nested lists included.
  template <typename Visit>
  void for_each_value(Visit visit) const {
    if (const auto* value = std::get_if<ValueId>(&data)) {
      visit(*value);
    } else if (const auto* list = std::get_if<List>(&data)) {
      for (const Argument& item : *list) item.for_each_value(visit);
    }
  }
  friend bool operator==(const Argument&, const Argument&) = default;
};

struct NamedArgument {
  std::string name;
  Argument value;
  friend bool operator==(const NamedArgument&, const NamedArgument&) = default;
};

/// Shape and element type of a tensor value.
struct TensorType {
  ScalarType type = ScalarType::kFloat32;
  Shape shape;
  bool requires_grad = false;
  Device device;
  /// Memory order at capture, in elements; empty means row-major. Carried for the archive only.
  std::vector<Dim> strides;

  int64_t rank() const { return static_cast<int64_t>(shape.size()); }
  bool is_static() const;
  /// Sizes as numbers, symbolic ones at their capture value.
  std::vector<int64_t> sizes() const;
  static TensorType of(ScalarType type, const std::vector<int64_t>& sizes);
};

enum class ValueKind : uint8_t { kTensor, kSymInt, kSymFloat, kSymBool, kOther };

struct Value {
  std::string name;  ///< Unique in its graph.
  ValueKind kind = ValueKind::kTensor;
  TensorType tensor;          ///< kTensor only.
  std::optional<Dim> symbol;  ///< kSymInt: expression and value at capture, when known.
  NodeId producer = kNoNode;  ///< kNoNode: a placeholder (input, parameter, buffer, constant).
  std::vector<NodeId> users;  ///< One entry for each occurrence among a node's arguments. Order unspecified.
};

/// One level of the stack of nn.Modules a node was captured in.
struct ModuleCall {
  std::string key;   ///< Unique for a call ("L__self___conv1", "...@1" for a second call of a shared module).
  std::string path;  ///< Dotted path of the module ("features.0.conv"), "" for the root.
  std::string type;  ///< Qualified class ("torch.nn.modules.conv.Conv2d").
  friend bool operator==(const ModuleCall&, const ModuleCall&) = default;
};

struct Metadata {
  std::vector<ModuleCall> module_stack;     ///< Outermost (the root) first.
  std::vector<SourceLocation> stack_trace;  ///< Outermost frame first, as in Python.
  std::string torch_fn;
  std::map<std::string, std::string> other;  ///< Carried unread.
};

/// One operator call. Arguments stand in schema order with defaults filled in, so that args.size() and the names depend
/// on the operator alone; operators without a schema keep theirs as captured.
struct Node {
  std::string op;  ///< "aten.conv2d.default", "aten.sym_size.int", "_operator.mul", "higher_order.cond".
  std::vector<NamedArgument> args;
  std::vector<ValueId>
      outputs;  ///< Of multi-output operators and tensor lists, one each; kNoValue for an absent optional one.
  bool returns_list = false;  ///< The operator returns one list (split, chunk, unbind), whose items are the outputs.
  Metadata metadata;

  bool has_arg(std::string_view name) const;
  /// Throws Error naming the operator when there is none of that name.
  const Argument& arg(std::string_view name) const;
  size_t arg_index(std::string_view name) const;
  ValueId output() const;  ///< The only output.
  /// Path of the innermost module, "" for the root.
  const std::string& module_path() const;
  /// The innermost frame of the user's own code: the last one that is not inside torch.
  SourceLocation source() const;
};

/// A placeholder with data.
enum class BindingKind : uint8_t { kParameter, kBuffer, kConstant };
struct Binding {
  std::string fqn;  ///< "features.0.conv.weight"; for kConstant the lifted constant's name.
  ValueId value = kNoValue;
  BindingKind kind = BindingKind::kParameter;
  bool persistent = true;  ///< Buffers: whether they are in the state_dict.
  Tensor data;
};

/// A user's input: a tensor, a symbolic number, or a Python constant (None, a number or a string baked in at capture).
struct Input {
  std::string name;
  ValueId value = kNoValue;  ///< kNoValue for a constant.
  Argument constant;
};

enum class OutputKind : uint8_t { kUser, kBufferMutation, kParameterMutation, kInputMutation, kLoss };
struct Output {
  Argument value;  ///< A value, None, or a Python constant.
  OutputKind kind = OutputKind::kUser;
  std::string target;  ///< Mutations: the fqn of the buffer or parameter, or the input's name, that takes the value.
};

/// A captured model at ATen level: nodes in execution order over values in static single assignment form. A value type:
/// copying copies structure and shares weights (copy on write). References to nodes and values stay valid while
/// others are added.
class Graph {
 public:
  // --- reading
  /// Ids of the living nodes in execution order; a snapshot, safe to edit the graph under.
  std::vector<NodeId> nodes() const;
  size_t node_count() const { return live_nodes_; }
  NodeId first_node() const { return head_; }
  NodeId next_node(NodeId id) const { return links_[index_of(id)].next; }
  NodeId previous_node(NodeId id) const { return links_[index_of(id)].previous; }
  bool is_alive(NodeId id) const { return links_[index_of(id)].alive; }
  const Node& node(NodeId id) const { return nodes_[index_of(id)]; }
  const Value& value(ValueId id) const { return values_[index_of(id)]; }
  size_t value_limit() const { return values_.size(); }  ///< Every ValueId is below it; some may be dead.
  size_t node_limit() const { return nodes_.size(); }
  const std::vector<Binding>& bindings() const { return bindings_; }
  const std::vector<Input>& inputs() const { return inputs_; }
  const std::vector<Output>& outputs() const { return outputs_; }
  /// The parameter, buffer or constant behind a placeholder, or nullptr.
  const Binding* binding_of(ValueId id) const;
  const Binding* find_binding(std::string_view fqn) const;
  /// Whether nothing reads the value: no node and no output.
  bool is_unused(ValueId id) const;
  bool is_output(ValueId id) const;
  const TensorType& tensor_type(ValueId id) const { return value(id).tensor; }

  // --- building
  ValueId add_value(std::string name, TensorType type);  ///< The name is made unique.
  ValueId add_value(Value value);                        ///< producer and users are ignored.
  ValueId add_input(std::string name, TensorType type);
  void add_input(Input input);
  ValueId add_binding(BindingKind kind, std::string fqn, Tensor data, bool persistent = true);
  void add_binding(Binding binding);
  void add_output(Output output);
  /// Inserts before `before` (kNoNode: at the end). Output values must exist already and have no producer.
  NodeId add_node(Node node, NodeId before = kNoNode);
  /// Creates one output value of that type as well; `args` in schema order. Metadata is copied from `like` if given.
  ValueId add_operator(std::string op, std::vector<NamedArgument> args, TensorType type, NodeId before = kNoNode,
                       NodeId like = kNoNode);

  // --- editing
  void set_arg(NodeId id, size_t index, Argument argument);
  void set_args(NodeId id, std::vector<NamedArgument> args);
  void set_op(NodeId id, std::string op, std::vector<NamedArgument> args);
  void set_output(size_t index, Output output);
  void set_outputs(std::vector<Output> outputs);
  Metadata& metadata(NodeId id) { return nodes_[index_of(id)].metadata; }
  /// Every reader of `from`, the graph's outputs included, reads `to` instead.
  void replace_all_uses(ValueId from, ValueId to);
  /// Its outputs must be unused.
  void erase_node(NodeId id);
  /// The placeholder must be unused; removes the binding.
  void erase_binding(ValueId id);
  /// Also renames the target of the outputs that write it. Throws Error when the name is taken.
  void rename_binding(ValueId id, std::string fqn);
  void set_binding_data(ValueId id, Tensor data);  ///< Also sets the value's type and shape.
  void set_tensor_type(ValueId id, TensorType type);
  void rename_value(ValueId id, std::string name);  ///< Made unique.
  /// Removes nodes whose outputs nobody reads, in one backward walk. Bindings stay.
  void erase_dead_nodes();

  // --- what the archive needs to be written again
  struct Archive {
    std::string in_spec;  ///< Root module's input pytree, JSON; "" for a flat tuple of all inputs.
    std::string out_spec;
    std::string program;    ///< JSON of the exported program without its graph: versions, module call graph, ranges.
    Storage sample_inputs;  ///< Bytes of sample_inputs/model.pt, unread.
    bool returns_single_tensor = false;
  };
  Archive archive;

 private:
  struct Link {
    NodeId previous = kNoNode;
    NodeId next = kNoNode;
    bool alive = false;
  };
  void add_uses(NodeId id, const Argument& argument);
  void remove_uses(NodeId id, const Argument& argument);
  std::string unique_name(std::string name);

  std::deque<Node> nodes_;
  std::vector<Link> links_;
  NodeId head_ = kNoNode;
  NodeId tail_ = kNoNode;
  size_t live_nodes_ = 0;
  std::deque<Value> values_;
  std::vector<Input> inputs_;
  std::vector<Binding> bindings_;
  std::vector<Output> outputs_;
  std::map<ValueId, size_t> binding_index_;
  std::map<std::string, size_t, std::less<>> fqn_index_;
  std::map<std::string, size_t, std::less<>> names_;  ///< Value name -> next suffix to try.
};

/// Text form, one line a node, as in PyTorch's own print of a graph.
std::string to_string(const Graph& graph);
/// Graphviz DOT.
std::string to_dot(const Graph& graph);
/// Checks every invariant (ids, names, order of definition and use, user lists, known operators' argument names, shapes
/// of bindings). Throws Error listing all violations.
void verify(const Graph& graph);

}  // namespace tinyml
