// What ForwardWriter knows while it writes one body.
#pragma once

#include <set>

#include "codegen/forward_text.h"

namespace tinyml::codegen {

/// Variable names of one function, each given once.
class NameSet {
 public:
  NameSet() : taken_{"self", "torch", "nn", "F", "OrderedDict", "Path", "math"} {}
  std::string add(const std::string& base) {
    std::string name = base;
    for (int suffix = 1; !taken_.insert(name).second; ++suffix) name = base + "_" + std::to_string(suffix);
    return name;
  }

 private:
  std::set<std::string> taken_;
};

struct ForwardWriter::Frame {
  CallId call = kRootCall;
  bool single = true;
  std::vector<ValueId> inputs;    ///< Read inside, made outside.
  std::vector<ValueId> produced;  ///< In order.
  std::vector<ValueId> outputs;   ///< Made inside, read outside.
  std::map<ValueId, size_t> last_use;
  std::map<ValueId, std::string> names;
  std::vector<std::string> reserved;
  std::string device_of;
  std::vector<const Binding*> constants;
  std::map<ValueId, std::string> constant_names;
};

}  // namespace tinyml::codegen
