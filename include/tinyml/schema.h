#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tinyml/graph.h"

namespace tinyml {

/// What an operator's argument or result holds, lists and optionality aside.
enum class SchemaKind : uint8_t {
  kTensor,
  kInt,
  kFloat,
  kBool,
  kComplex,
  kScalar,  ///< Any number.
  kString,
  kScalarType,
  kLayout,
  kDevice,
  kMemoryFormat,
  kGenerator,
};

struct SchemaType {
  SchemaKind kind = SchemaKind::kTensor;
  bool symbolic = false;  ///< SymInt, SymBool: a value of the graph may stand for the number.
  bool list = false;
  bool optional = false;        ///< May be None.
  bool optional_items = false;  ///< A list that may contain None (Tensor?[]).
  int list_size = 0;            ///< int[2]: 2; 0 for any length. A single number stands for that many.
  std::string alias;            ///< "a" in Tensor(a): argument and result of the same letter share memory; "" for none.
  bool mutated = false;         ///< Tensor(a!): written by the operator.
};

struct SchemaArgument {
  std::string name;
  SchemaType type;
  bool keyword_only = false;
  std::optional<Argument> default_value;
};

/// Signature of one operator overload, as torch declares it.
struct OpSchema {
  std::string name;  ///< "aten.conv2d.default"
  std::vector<SchemaArgument> arguments;
  std::vector<SchemaType> returns;

  /// Whether the only result is a list of tensors (split, chunk, unbind).
  bool returns_list() const { return returns.size() == 1 && returns[0].list; }
  bool is_mutating() const;  ///< Whether any argument is written.
  bool is_view() const;      ///< Whether a result may share memory with an argument that is not written.
  /// Position of an argument, or arguments.size().
  size_t find(std::string_view argument) const;
};

/// Schema of an operator ("aten.conv2d.default", "prims.add.default"), or nullptr for one without: a custom operator,
/// "_operator.*", "math.*", "higher_order.*". The table is generated from torch by tools/generate_schemas.py; out=
/// and backward overloads are not in it. Thread-safe; the pointer stays valid.
const OpSchema* find_schema(std::string_view op);

/// The arguments of a call in schema order, with defaults filled in and normalised: a number given for int[2] becomes a
/// list of two, an integer given for a float a float. Names of `given` may come in any order. Throws Error for an
/// operator without schema, an unknown or repeated name and a missing required argument.
std::vector<NamedArgument> make_args(std::string_view op, std::vector<NamedArgument> given);

/// Whether `value` is what the schema gives the argument when the call omits it.
bool is_default(const SchemaArgument& argument, const Argument& value);

}  // namespace tinyml
