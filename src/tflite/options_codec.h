// Between Options and the file's option tables.
#pragma once

#include "schema_generated.h"
#include "tinyml/tflite.h"

namespace tinyml::tflite {

/// The option table of an operator as the file stores it. `options` must fit the operator; throws Error otherwise.
fb::BuiltinOptionsUnion encode_options(Op op, const Options& options);

/// The inverse. A missing or unknown table gives the operator's defaults (std::monostate where it has no options);
/// a table of another operator throws Error.
Options decode_options(Op op, const fb::BuiltinOptionsUnion& table);

/// Whether the operator's options are a struct of their own here; those of the others are carried.
bool has_options(Op op);

/// Options with the format's defaults for an operator; std::monostate where it has none.
Options default_options(Op op);

}  // namespace tinyml::tflite
