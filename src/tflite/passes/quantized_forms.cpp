#include "tflite/passes/quantized_forms.h"

#include "tflite/targets/target_table.h"
#include "tinyml/error.h"

namespace tinyml::tflite {

QuantizedForm quantized_form(Target target, Op op) {
  const TargetRow* row = find_row(target, op);
  return row == nullptr ? QuantizedForm::kIsland : row->form;
}

QuantizedForm quantized_form(Target target, Op op, Type type) {
  const TargetRow* row = find_row(target, op);
  if (row == nullptr) return QuantizedForm::kIsland;
  if (type == Type::INT16 && (row->types & kI16) == 0) return QuantizedForm::kIsland;
  return row->form;
}

FixedScale fixed_output_scale(Op op, Type type) {
  if (type == Type::INT16) return {1.0F / 32768, 0};
  switch (op) {
    case Op::LOGISTIC:
    case Op::SOFTMAX:
      return {1.0F / 256, -128};
    case Op::TANH:
    case Op::L2_NORMALIZATION:
      return {1.0F / 128, 0};
    case Op::LOG_SOFTMAX:
      return {16.0F / 256, 127};
    default:
      TINYML_CHECK(false);
      return {};
  }
}

}  // namespace tinyml::tflite
