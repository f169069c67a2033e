// Numbers that a search has measured, in a file.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <string>

namespace tinyml::quantization {

class SearchJournal {
 public:
  /// Reads the file where there is one. `run` identifies model, configuration and options: the journal of another run
  /// is refused with an Error. Without a path nothing is read or written.
  SearchJournal(std::filesystem::path path, std::string run);

  bool contains(const std::string& key) const { return numbers_.contains(key); }
  /// The number under the key; measured, and written to the file, where it is not known.
  double number(const std::string& key, const std::function<double()>& measure);

 private:
  void write() const;

  std::filesystem::path path_;
  std::string run_;
  std::map<std::string, double> numbers_;
};

}  // namespace tinyml::quantization
