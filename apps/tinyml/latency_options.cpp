#include "latency_options.h"

#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>
#include <functional>
#include <memory>

#include "litert.h"

namespace tinyml::cli {

void add_latency_options(CLI::App& command, LatencyOptions& options) {
  command
      .add_option("--latency-table", options.table,
                  "A table made by 'tinyml profile' that tells latencies, instead of measuring in LiteRT here")
      ->check(CLI::ExistingFile);
  command
      .add_option("--litert", options.litert, "Path of libLiteRt.so; default: $TINYML_LITERT, else where it is found")
      ->check(CLI::ExistingFile);
}

namespace {

/// `measure` for the model in a temporary file.
double measure_file(const tflite::Model& model, const std::function<double(const std::string&)>& measure) {
  const std::filesystem::path path =
      std::filesystem::temp_directory_path() / fmt::format("tinyml_latency_{}.tflite", getpid());
  tflite::write_tflite(model, path.string());
  const std::unique_ptr<const std::filesystem::path, void (*)(const std::filesystem::path*)> remover(
      &path, [](const std::filesystem::path* file) {
        std::error_code ignored;
        std::filesystem::remove(*file, ignored);
      });
  return measure(path.string());
}

}  // namespace

MeasureModel litert_measure(const std::string& library) {
  return [runtime = std::make_shared<LiteRt>(library)](const tflite::Model& model) {
    return measure_file(model, [&](const std::string& path) { return runtime->measure(path); });
  };
}

LatencyFunction latency_of(const LatencyOptions& options, const std::string& table) {
  const std::string& path = options.table.empty() ? table : options.table;
  if (!path.empty()) return table_latency(read_latency_table(path));
  const auto runtime = std::make_shared<LiteRt>(options.litert);
  return measured_latency([runtime, measure = runtime->measure_in_turns()](const tflite::Model& model) {
    return measure_file(model, measure);
  });
}

}  // namespace tinyml::cli
