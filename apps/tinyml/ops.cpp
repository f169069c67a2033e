#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "commands.h"
#include "text.h"
#include "tinyml/lower.h"

namespace tinyml::cli {
namespace {

constexpr const char* kFooter = R"(
The operators of PyTorch that `convert` accepts, and what it refuses of each:
  tinyml ops                 all of them
  tinyml ops conv            those with "conv" in their names
  tinyml ops --refused       those that TFLite cannot express, each with the nearest way out
  tinyml ops --json          for programs)";

struct Options {
  std::string filter;
  bool refused = false, json = false;
};

std::string to_json(const std::vector<OperatorSupport>& rows) {
  nlohmann::json items = nlohmann::json::array();
  for (const OperatorSupport& row : rows) {
    nlohmann::json item = {{"name", row.name}, {"supported", row.supported}, {"limits", row.limits}};
    if (!row.supported) item["remedy"] = row.remedy;
    items.push_back(std::move(item));
  }
  return items.dump(2) + "\n";
}

std::string to_table(const std::vector<OperatorSupport>& rows) {
  size_t width = 0;
  for (const OperatorSupport& row : rows) width = std::max(width, row.name.size());
  std::string text;
  for (const OperatorSupport& row : rows) {
    std::string line = fmt::format("{:<{}}  {}", row.name, width, row.limits);
    if (!row.remedy.empty()) line += "; " + row.remedy;
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text;
}

void run(const Options& options) {
  std::vector<OperatorSupport> rows;
  for (OperatorSupport& row : operator_support()) {
    const bool is_named = row.name.find(options.filter) != std::string::npos;
    if (is_named && row.supported != options.refused) rows.push_back(std::move(row));
  }
  if (rows.empty()) {
    throw Error(
        fmt::format("no {} operator has '{}' in its name", options.refused ? "refused" : "supported", options.filter),
        options.refused ? "see `tinyml ops`" : "see `tinyml ops --refused`, or decompose the operator");
  }
  print_or_write("", options.json ? to_json(rows) : to_table(rows));
}

}  // namespace

void add_ops(CLI::App& app, const Common&) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("ops", "List the operators that can be converted, with their limits");
  command->footer(kFooter);
  command->add_option("filter", options->filter, "Only operators with this in their names");
  command->add_flag("--refused", options->refused, "Those that TFLite cannot express, with the way out");
  command->add_flag("--json", options->json, "As JSON");
  command->callback([options] { run(*options); });
}

}  // namespace tinyml::cli
