#pragma once

#include <map>
#include <string>

#include "archive/json_ref.h"
#include "archive/zip_reader.h"
#include "tinyml/graph.h"

namespace tinyml {

/// Stored tensors of one configuration file ("data/weights/model_weights_config.json") by fqn, as views of the archive.
/// Throws Error for pickled payloads (naming the tensors) and for views outside their entry.
class Payloads {
 public:
  Payloads(const ZipReader& archive, const std::string& config, const std::string& folder);
  /// nullptr if there is none of that name.
  const Tensor* find(const std::string& fqn) const;

 private:
  std::map<std::string, Tensor> tensors_;
};

}  // namespace tinyml
