#pragma once

#include "archive/json_writer.h"
#include "tinyml/graph.h"

namespace tinyml {

/// A SymInt of the export schema.
void write_dim(JsonWriter& json, const Dim& dim);
/// A TensorMeta; strides are row-major where the type has none of the right rank.
void write_tensor_type(JsonWriter& json, const TensorType& type);
/// A TensorMeta of a stored tensor.
void write_stored_tensor(JsonWriter& json, const Tensor& tensor, const TensorType& type);
void write_device(JsonWriter& json, const Device& device);

}  // namespace tinyml
