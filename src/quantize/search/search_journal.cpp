#include "quantize/search/search_journal.h"

#include <fmt/format.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tinyml/atomic_file.h"
#include "tinyml/error.h"

namespace tinyml::quantization {
namespace {

constexpr const char* kFormat = "tinyml.precision_search";

}  // namespace

SearchJournal::SearchJournal(std::filesystem::path path, std::string run)
    : path_(std::move(path)), run_(std::move(run)) {
  if (path_.empty()) return;
  if (path_.has_parent_path()) std::filesystem::create_directories(path_.parent_path());
  std::ifstream file(path_, std::ios::binary);
  if (!file) return;
  std::string run_there;
  try {
    const nlohmann::json document = nlohmann::json::parse(file);
    if (document.at("format") != kFormat) throw Error(fmt::format("'{}' is no journal of a search", path_.string()));
    run_there = document.at("run").get<std::string>();
    for (const auto& [key, value] : document.at("numbers").items()) {
      numbers_[key] = value.is_null() ? HUGE_VAL : value.get<double>();  // JSON has no infinity
    }
  } catch (const nlohmann::json::exception& error) {
    throw Error(fmt::format("cannot read the journal '{}': {}", path_.string(), error.what()),
                "delete it to start the search anew");
  }
  if (run_there != run_) {
    throw Error(fmt::format("'{}' belongs to a search with another model, data or configuration", path_.string()),
                "give this search a file of its own, or delete that one");
  }
}

double SearchJournal::number(const std::string& key, const std::function<double()>& measure) {
  const auto found = numbers_.find(key);
  if (found != numbers_.end()) return found->second;
  const double value = measure();
  numbers_.emplace(key, value);
  write();
  return value;
}

void SearchJournal::write() const {
  if (path_.empty()) return;
  const nlohmann::ordered_json document = {{"format", kFormat}, {"run", run_}, {"numbers", numbers_}};
  write_file(path_, document.dump(1));
}

}  // namespace tinyml::quantization
