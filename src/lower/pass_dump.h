#pragma once

#include <filesystem>
#include <string>

#include "tinyml/tflite.h"

namespace tinyml::lowering {

/// A directory of numbered text files ("03_fuse_activations.txt"), one for each pass; writes nothing without a
/// directory.
class PassDump {
 public:
  /// Creates the directory. Throws Error when that fails.
  explicit PassDump(std::filesystem::path directory);

  bool enabled() const { return !directory_.empty(); }
  void write(const std::string& pass, const tflite::Model& model) const;

 private:
  std::filesystem::path directory_;
  mutable int count_ = 0;
};

/// One line an operator: name, inputs, outputs with type and shape.
std::string to_text(const tflite::Model& model);

}  // namespace tinyml::lowering
