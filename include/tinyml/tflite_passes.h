// Layout, optimisation passes and quantization at the TFLite level. See tflite.h for the forms of a model.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "tinyml/tflite.h"
#include "tinyml/tflite_forms.h"
#include "tinyml/tflite_precision.h"
#include "tinyml/tflite_target.h"

namespace tinyml::tflite {

/// A dimension order: physical dimension i is logical dimension order[i]. NHWC of NCHW is {0, 2, 3, 1}.
using Order = std::vector<int>;

struct LayoutOptions {
  /// Inputs and outputs of rank 4 of a model with images in it (one that has a `channels_first` operator) become NHWC
  /// in the file. All others keep the order they were given in.
  bool channels_last_inputs = true;
  bool channels_last_outputs = true;
  /// Orders of single inputs and outputs, by position; they override the above.
  std::map<size_t, Order> input_orders, output_orders;
};

struct LayoutReport {
  std::vector<Order> input_orders, output_orders;  ///< What the file's inputs and outputs have.
  int transposes = 0;                              ///< TRANSPOSE operators that had to stay.
  int64_t bytes_transposed = 0;                    ///< What they move in one inference.
};

/// Logical to physical form, in place. The dimension order of every tensor is chosen so that the fewest bytes are
/// transposed: a minimum cut where a region has two candidate orders, expansion moves (each a minimum cut) where it has
/// more. Operators that have one order (convolutions, pools) are pinned, element-wise and axis operators run in any
/// common order with their axes, paddings and constants remapped, TRANSPOSE costs nothing where the order absorbs it,
/// RESHAPE passes every order that keeps merged and split axes together, FULLY_CONNECTED after a flatten has its
/// columns permuted. Models in physical form are welcome too (their TRANSPOSEs are moved and cancelled). Throws Error
/// on malformed orders.
LayoutReport assign_layout(Model& model, const LayoutOptions& options = {});

/// QUANTIZE and DEQUANTIZE pairs (physical form) become INT8 operators: an operator whose activations all come from
/// DEQUANTIZE and whose result goes to QUANTIZE only runs in INT8 where the target has a good kernel, with INT8 weights
/// and INT32 bias; operators that only move values carry the scale along; where scales of inputs must agree they are
/// requantized to the output's. What has no FakeQuant around it stays float, exactly.
/// With precision kDynamicRange what stays float reads INT8 weights (see WeightOptions). `note` hears of every
/// exception.
void fold_quantization(Model& model, Target target = Target::kLitert, const WeightOptions& weights = {},
                       const std::function<void(const std::string&)>& note = {});

/// Operations that have several forms, in those that the policy wants (see tflite_forms.h): physical form, after
/// fold_quantization.
void write_forms(Model& model, const FormPolicy& policy);

/// FLOAT32, INT8, UINT8 or INT16 for the float inputs and outputs of the main subgraph, one type for each of them (or
/// one for all; none: FLOAT32): their QUANTIZE and DEQUANTIZE go, or change type. Throws Error, naming each, when one
/// of them is not quantized, or with another number of bits. `skip`, where given, hears of what would be thrown, and
/// that input or output is left as it is.
void set_boundary_types(Model& model, const std::vector<Type>& input_types, const std::vector<Type>& output_types,
                        const std::function<void(const std::string&)>& skip = {});

struct OptimizeOptions {
  LayoutOptions layout;
  Target target = Target::kLitert;
  FormOverrides forms;                          ///< Forms that are written or left whatever the target's costs say.
  std::vector<Type> input_types, output_types;  ///< As set_boundary_types takes them.
  Type integers = Type::INT8;  ///< UINT8: the older scheme in place of INT8, with one scale for each weight tensor.
  bool types_where_possible = false;  ///< An input or output that cannot have its type keeps FLOAT32, noted.
  WeightOptions weights;
  int max_transpose_rank = 0;  ///< No TRANSPOSE has more dimensions (3 or more); 0: any number.
  /// Equal numbers in `shape` are equal sizes at all sizes of the inputs, as the lowering sets them; in a file, dynamic
  /// sizes are often all 1, and passes work at others.
  bool sizes_are_generic = false;
  /// Hears, in a sentence, of what could not be done as asked.
  std::function<void(const std::string&)> note;
  /// Called after every pass that changed something, with its name: for dumps and checks.
  std::function<void(const std::string& pass, const Model& model)> after_pass;
  /// Verifies the model after every pass that changed something, from assign_layout on, and throws Error naming the
  /// pass that broke it. Costs as much as the passes themselves.
  bool verify_passes = false;
};

/// Logical form (or a file's) to the physical form that is written: assign_layout, then every pass in its order, then
/// quantization and the types of inputs and outputs. Operators and tensors of unknown meaning stay as they are, in
/// their order. Throws Error when the model does not fit together (see find_misfits).
LayoutReport optimize(Model& model, const OptimizeOptions& options = {});

}  // namespace tinyml::tflite
