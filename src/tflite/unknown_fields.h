#pragma once

#include <string>
#include <vector>

#include "schema_generated.h"

namespace tinyml::tflite {

/// What a verified file holds that this project's schema lacks, and that would get lost in reading it: fields of
/// tables and kinds of tables that the format got later. Each entry names the place ("Model.subgraphs.operators").
std::vector<std::string> find_unknown_fields(const fb::Model& model);

}  // namespace tinyml::tflite
