// Names and sizes of the format's enumerations.
#include "tinyml/tflite.h"
#include "tinyml/tflite_ops.h"

namespace tinyml::tflite {

std::string_view to_string(Op op) {
  switch (op) {
#define TINYML_TFLITE_OP(name, number) \
  case Op::name:                       \
    return #name;
    TINYML_TFLITE_OPS(TINYML_TFLITE_OP)
#undef TINYML_TFLITE_OP
  }
  return "";
}

std::string_view to_string(Type type) {
  switch (type) {
#define TINYML_TFLITE_TYPE(name, number, bits) \
  case Type::name:                             \
    return #name;
    TINYML_TFLITE_TYPES(TINYML_TFLITE_TYPE)
#undef TINYML_TFLITE_TYPE
  }
  return "";
}

std::string name_of(const Operator& op) {
  if (op.op == Op::CUSTOM) return op.custom_code;
  const std::string_view name = to_string(op.op);
  return name.empty() ? "operator " + std::to_string(static_cast<int>(op.op)) : std::string(name);
}

bool is_stablehlo(Op op) { return to_string(op).starts_with("STABLEHLO_"); }

bool parse_op(std::string_view text, Op& op) {
#define TINYML_TFLITE_OP(name, number) \
  if (text == #name) {                 \
    op = Op::name;                     \
    return true;                       \
  }
  TINYML_TFLITE_OPS(TINYML_TFLITE_OP)
#undef TINYML_TFLITE_OP
  return false;
}

int bits_of(Type type) {
  switch (type) {
#define TINYML_TFLITE_TYPE(name, number, bits) \
  case Type::name:                             \
    return bits;
    TINYML_TFLITE_TYPES(TINYML_TFLITE_TYPE)
#undef TINYML_TFLITE_TYPE
  }
  return 0;
}

bool is_floating(Type type) {
  return type == Type::FLOAT32 || type == Type::FLOAT16 || type == Type::BFLOAT16 || type == Type::FLOAT64;
}

bool is_quantizable(Type type) {
  return type == Type::INT8 || type == Type::UINT8 || type == Type::INT16 || type == Type::INT4;
}

}  // namespace tinyml::tflite
