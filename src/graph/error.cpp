#include "tinyml/error.h"

#include <fmt/format.h>

#include <string_view>
#include <utility>

namespace tinyml {

std::string Diagnostic::to_string() const {
  std::string text = what;
  if (!module_path.empty()) text += fmt::format("\n    in module: {}", module_path);
  if (!where.empty()) {
    text += fmt::format("\n    at: {}:{}", where.file, where.line);
    if (!where.text.empty()) text += fmt::format(": {}", where.text);
  }
  if (!remedy.empty()) text += fmt::format("\n    remedy: {}", remedy);
  return text;
}

Error::Error(std::string what, std::string remedy) : Error(Diagnostic{std::move(what), {}, {}, std::move(remedy)}) {}

Error::Error(Diagnostic diagnostic) : diagnostics_{std::move(diagnostic)}, message_(diagnostics_[0].to_string()) {}

Error::Error(std::string summary, std::vector<Diagnostic> diagnostics)
    : diagnostics_(std::move(diagnostics)), message_(std::move(summary)) {
  for (const Diagnostic& diagnostic : diagnostics_) message_ += "\n  - " + diagnostic.to_string();
}

void report_internal_error(const char* condition, const char* file, int line) {
  std::string_view name(file);
  if (const size_t slash = name.rfind('/'); slash != std::string_view::npos) name.remove_prefix(slash + 1);
  throw Error(fmt::format("internal error: '{}' does not hold ({}:{})", condition, name, line),
              "this is a defect of tinyml; please report it with the model that shows it");
}

}  // namespace tinyml
