// The LiteRT runtime, where it is installed: its shared library is loaded when it is needed, nothing is linked.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace tinyml::cli {

using NamedBytes = std::vector<std::pair<std::string, std::vector<std::byte>>>;

class LiteRt {
 public:
  // Loads the library from `path`; when that is empty, from $TINYML_LITERT, else libLiteRt.so as the system finds it,
  // else that of the ai_edge_litert package of the active Python environment ($VIRTUAL_ENV). Throws Error saying where
  // it was looked for.
  explicit LiteRt(const std::string& path);
  ~LiteRt();

  // Runs the file's first signature on the CPU. `inputs` and the result: contents by the signature's names.
  NamedBytes run(const std::string& model, const NamedBytes& inputs) const;

  // The same for many runs: prepares the file once. Must not outlive this object.
  std::function<NamedBytes(const NamedBytes&)> open(const std::string& model) const;

  // Seconds of the fastest of many runs of the file's first signature on one core, with zeros as inputs: what else the
  // machine does only ever adds. Takes `least_seconds` or a little more.
  double measure(const std::string& model, double least_seconds = 0.2) const;

  // A function that measures models one after the other. The first one is the reference: the others run in turns with
  // it, and their time is the reference's first time multiplied by the ratio, so that a load that comes and goes, or a
  // clock that changes, is in both. Takes twice `least_seconds` a model. Must not outlive this object.
  std::function<double(const std::string&)> measure_in_turns(double least_seconds = 0.3) const;

 private:
  struct Library;
  class Session;
  std::unique_ptr<Library> library_;
};

}  // namespace tinyml::cli
