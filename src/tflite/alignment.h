// Whether vectors of 64-bit integers lie where such integers may lie.
#pragma once

#include "schema_generated.h"

namespace tinyml::tflite {

/// The flatbuffers verifier looks at the place of a vector's length only. `file`: where the buffer begins.
bool is_aligned(const void* file, const flatbuffers::Vector<int64_t>* vector);

/// The same of all such vectors in the operator's second options; the first have none.
bool has_aligned_options(const void* file, const fb::Operator& op);

}  // namespace tinyml::tflite
