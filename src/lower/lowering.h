// What a lowering function works with: the arguments of the node at hand, and the model under construction.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "tinyml/graph.h"
#include "tinyml/lower.h"
#include "tinyml/tflite.h"
#include "tinyml/tflite_target.h"

namespace tinyml::lowering {

using tflite::Op;
using tflite::Type;
using TensorId = int;
using Sizes = std::vector<int64_t>;

/// The TFLite type that carries values of a PyTorch type: int64 as INT32, every float as FLOAT32.
/// Throws Error for complex and other types that TFLite lacks.
Type tflite_type(ScalarType type);
tflite::Shape tflite_shape(const Sizes& sizes);
/// NumPy broadcasting of two shapes; they must be compatible.
Sizes broadcast(const Sizes& a, const Sizes& b);

/// Builds one model from one graph. A lowering function reads the node's arguments by name, emits operators in logical
/// (channel-first) form and sets the node's outputs; what it cannot express it refuses, which throws.
class Lowering {
 public:
  explicit Lowering(const Graph& graph, LowerOptions options = {});

  const LowerOptions& options() const { return options_; }

  // --- the node at hand
  void enter(NodeId id);
  const Graph& graph() const { return graph_; }
  const Node& node() const { return *node_; }
  /// Throws Error about this node. `remedy` says the nearest way out.
  [[noreturn]] void refuse(const std::string& what, const std::string& remedy = "") const;

  // --- its arguments; a dynamic size where a number is wanted is refused by name
  bool has(std::string_view name) const;  ///< Exists and is not None.
  int64_t integer(std::string_view name) const;
  double number(std::string_view name) const;
  bool flag(std::string_view name) const;
  Sizes integers(std::string_view name) const;  ///< A list; a single integer counts as a list of one.
  /// A list of `count` integers, where one stands for all and none for `fallback`.
  Sizes repeated(std::string_view name, size_t count, int64_t fallback) const;
  /// An axis in [0, rank), negative ones counted from the end.
  int64_t axis(std::string_view name, int64_t rank) const;
  /// A list of axes in [0, rank), sorted; all of them when the list is None or empty.
  Sizes axes(std::string_view name, int64_t rank) const;
  bool is_tensor(std::string_view name) const;
  const Sizes& sizes(std::string_view name) const;  ///< Of a tensor argument.
  /// Whether that size of a tensor argument is symbolic, so that the number at hand is one of many.
  bool is_dynamic(std::string_view name, size_t axis) const;
  /// Contents of a tensor argument that is a parameter, buffer or constant; nullptr when it is computed.
  const Tensor* constant_data(std::string_view name) const;
  /// As constant_data, but a computed tensor is refused.
  const Tensor& require_constant(std::string_view name) const;
  /// The tensor argument; a number becomes a scalar of the output's type.
  TensorId input(std::string_view name);
  /// As input, cast to `type` where it differs.
  TensorId input(std::string_view name, Type type);
  /// The items of a list of tensors.
  std::vector<TensorId> inputs(std::string_view name);

  // --- its outputs
  size_t output_count() const { return node_->outputs.size(); }
  bool wants_output(size_t index) const;  ///< It exists and something reads it.
  const Sizes& output_sizes(size_t index = 0) const;
  Type output_type(size_t index = 0) const;
  /// Shape and type must be those of the graph.
  void set_output(TensorId tensor) { set_output(0, tensor); }
  void set_output(size_t index, TensorId tensor);

  // --- emitting: each adds an operator and returns its (first) output
  /// The general case: any number of outputs, made with add_tensor before.
  void add_operator(Op op, std::vector<TensorId> inputs, const std::vector<TensorId>& outputs,
                    tflite::Options options = {}, bool channels_first = false);
  TensorId emit(Op op, std::vector<TensorId> inputs, Type type, const Sizes& shape, tflite::Options options = {},
                bool channels_first = false);
  /// An operator with several outputs of one type.
  std::vector<TensorId> emit_many(Op op, std::vector<TensorId> inputs, Type type, const std::vector<Sizes>& shapes,
                                  tflite::Options options = {});
  TensorId unary(Op op, TensorId x, tflite::Options options = {});
  TensorId binary(Op op, TensorId a, TensorId b);   ///< Broadcasts; operands of one type, which is the result's.
  TensorId compare(Op op, TensorId a, TensorId b);  ///< Broadcasts; BOOL.
  TensorId select(TensorId condition, TensorId a, TensorId b);
  TensorId cast(TensorId x, Type type);                               ///< x itself when it has that type.
  TensorId reshape(TensorId x, const Sizes& shape);                   ///< x itself when it has that shape.
  TensorId transpose(TensorId x, const Sizes& order);                 ///< x itself when the order is the identity.
  TensorId slice(TensorId x, const Sizes& begin, const Sizes& size);  ///< x itself when it is the whole.
  TensorId strided_slice(TensorId x, const Sizes& begin, const Sizes& end, const Sizes& strides);
  TensorId concatenate(const std::vector<TensorId>& parts, int64_t axis);
  TensorId reduce(Op op, TensorId x, const Sizes& axes, bool keep_dims);
  TensorId gather(TensorId x, const Sizes& indices, int64_t axis);
  TensorId gather(TensorId x, TensorId indices, int64_t axis);  ///< The axis is replaced by the indices' shape.
  /// The largest elements of the last dimension and their indices; `shape` is the result's.
  std::vector<TensorId> topk(TensorId x, TensorId count, const Sizes& shape);
  TensorId broadcast_to(TensorId x, const Sizes& shape);  ///< x itself when it has that shape.
  /// Zeros around: before[i] and after[i] for each dimension; x itself when there are none.
  TensorId pad(TensorId x, const Sizes& before, const Sizes& after);
  TensorId pad(TensorId x, const Sizes& before, const Sizes& after, double value);

  // --- constants
  TensorId constant(const Tensor& data, std::string name = "");  ///< Aliases the data where types agree.
  TensorId constant(std::vector<float> values, const Sizes& shape);
  TensorId constant(std::vector<int32_t> values, const Sizes& shape);
  TensorId indices(const Sizes& values);     ///< A vector of int32.
  TensorId scalar(double value, Type type);  ///< No dimensions.

  // --- tensors of the model
  Sizes shape(TensorId id) const;
  int64_t rank(TensorId id) const { return static_cast<int64_t>(tensor(id).shape.size()); }
  Type type(TensorId id) const { return tensor(id).type; }
  const tflite::Tensor& tensor(TensorId id) const { return subgraph().tensors[static_cast<size_t>(id)]; }
  tflite::Tensor& tensor(TensorId id) { return subgraph().tensors[static_cast<size_t>(id)]; }
  TensorId add_tensor(Type type, const Sizes& shape, tflite::Quantization quantization = {});
  /// The operator that computes the tensor; nullptr for inputs and constants. Valid until the next one is emitted.
  const tflite::Operator* producer_of(TensorId id) const;
  /// The subgraph that operators are added to: the main one, outside begin_subgraph and end_subgraph.
  tflite::Subgraph& subgraph() { return model.subgraphs[scopes_.back().subgraph]; }
  const tflite::Subgraph& subgraph() const { return model.subgraphs[scopes_.back().subgraph]; }
  /// A new subgraph (the body of a loop, a branch), which everything is added to until the matching end_subgraph.
  /// Tensor ids are those of one subgraph: nothing from outside may be used inside. Returns its index.
  int begin_subgraph(std::string name);
  void end_subgraph();

  // --- for the driver
  /// The tensor that stands for a value of the graph; creates it for inputs, parameters, buffers and constants.
  TensorId tensor_of(ValueId value);
  void bind(ValueId value, TensorId tensor);
  bool is_bound(ValueId value) const { return tensors_.contains(value); }

  tflite::Model model;
  /// Whose kernels the operators are chosen for.
  tflite::Target target = tflite::Target::kLitert;
  /// INT16 where 8-bit FakeQuants of activations are to become 16-bit ones.
  Type activations = Type::INT8;
  /// What symbolic sizes are at the moment; see src/lower/dynamic/samples.h.
  std::map<std::string, int64_t> symbols;
  /// Subgraph and operator -> the node it was emitted for.
  std::map<std::pair<size_t, size_t>, NodeId> origins;

 private:
  [[noreturn]] void refuse_dynamic(std::string_view name, const Argument& argument) const;
  bool is_size(const Argument& argument) const;
  int64_t as_integer(std::string_view name, const Argument& argument) const;
  std::string fresh_name(std::string_view suffix);

  struct Scope {
    size_t subgraph = 0;
    std::unordered_map<TensorId, size_t> producers;
  };

  const Graph& graph_;
  const LowerOptions options_;
  std::vector<Scope> scopes_{1};
  const Node* node_ = nullptr;
  NodeId node_id_ = kNoNode;
  std::string scope_;  ///< Names of intermediate tensors start with it.
  size_t scope_count_ = 0;
  std::unordered_map<ValueId, TensorId> tensors_;
  mutable std::unordered_map<ValueId, Sizes> sizes_;
};

using Function = void (*)(Lowering&);

}  // namespace tinyml::lowering
