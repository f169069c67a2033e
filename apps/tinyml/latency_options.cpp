#include "latency_options.h"

#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>
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

MeasureModel litert_measure(const std::string& library) {
  const auto runtime = std::make_shared<LiteRt>(library);
  return [runtime](const tflite::Model& model) {
    const std::filesystem::path path =
        std::filesystem::temp_directory_path() / fmt::format("tinyml_latency_{}.tflite", getpid());
    tflite::write_tflite(model, path.string());
    const std::unique_ptr<const std::filesystem::path, void (*)(const std::filesystem::path*)> remover(
        &path, [](const std::filesystem::path* file) {
          std::error_code ignored;
          std::filesystem::remove(*file, ignored);
        });
    return runtime->measure(path.string());
  };
}

LatencyFunction latency_of(const LatencyOptions& options, const std::string& table) {
  const std::string& path = options.table.empty() ? table : options.table;
  return path.empty() ? measured_latency(litert_measure(options.litert)) : table_latency(read_latency_table(path));
}

}  // namespace tinyml::cli
