#pragma once

#include <exception>
#include <string>
#include <vector>

namespace tinyml {

/// A line of the user's Python source.
struct SourceLocation {
  std::string file;
  int line = 0;
  std::string function;
  std::string text;  ///< The source line itself, stripped; may be empty.

  bool empty() const { return file.empty(); }
};

/// One problem: what is wrong, where in the user's model, and what to do about it.
struct Diagnostic {
  std::string what;
  std::string module_path;  ///< Dotted path of the nn.Module, "" when unknown or the root.
  SourceLocation where;
  std::string remedy;

  /// One or more lines of text for people.
  std::string to_string() const;
};

/// The library's only exception type: every problem found, not just the first.
class Error : public std::exception {
 public:
  explicit Error(std::string what, std::string remedy = "");
  explicit Error(Diagnostic diagnostic);
  /// `summary` heads the message; `diagnostics` must not be empty.
  Error(std::string summary, std::vector<Diagnostic> diagnostics);

  const char* what() const noexcept override { return message_.c_str(); }
  const std::vector<Diagnostic>& diagnostics() const { return diagnostics_; }

 private:
  std::vector<Diagnostic> diagnostics_;
  std::string message_;
};

/// Throws `Error` naming a broken invariant of the library itself.
[[noreturn]] void report_internal_error(const char* condition, const char* file, int line);

}  // namespace tinyml

/// An invariant of the library, not a check of input.
#define TINYML_CHECK(condition) \
  ((condition) ? static_cast<void>(0) : ::tinyml::report_internal_error(#condition, __FILE__, __LINE__))
