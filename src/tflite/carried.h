// What goes from one file to the next without being understood.
#pragma once

#include "schema_generated.h"
#include "tinyml/tflite.h"

namespace tinyml::tflite {

/// Elements of a vector that may be absent.
template <typename T>
size_t count_of(const flatbuffers::Vector<T>* vector) {
  return vector == nullptr ? 0 : vector->size();
}

/// The options of an operator that `Options` has no struct for; std::monostate when it has none.
Options carry_options(const fb::Operator& source);

/// Both option unions of an operator that was read with carry_options. Throws Error when the bytes are damaged.
struct CarriedUnions {
  fb::BuiltinOptionsUnion options;
  fb::BuiltinOptions2Union options_2;
};
CarriedUnions restore_options(const CarriedOptions& carried);

/// Fills the fields of `tensor` that carry what the struct has no names for.
void carry_tensor(const fb::Tensor& source, Tensor& tensor);

/// What carry_tensor kept, for the writer to complete: quantization is there where the file has any of it.
fb::TensorT restore_tensor(const Tensor& tensor);

Buffer carry_model(const fb::Model& source);
/// Nothing but the descriptions of other files.
fb::ModelT restore_model(const Model& model);

}  // namespace tinyml::tflite
