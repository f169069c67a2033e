#include <algorithm>

#include "graph/mapped_file.h"
#include "tflite/options_codec.h"
#include "tflite/verify/checker.h"
#include "tflite/versions.h"
#include "tinyml/tflite_verify.h"

namespace tinyml::tflite {

std::vector<Diagnostic> find_violations(const Model& model) {
  std::vector<Diagnostic> violations;
  for (const Subgraph& subgraph : model.subgraphs) {
    const Checker checker{model, subgraph, violations};
    const size_t before = violations.size();
    check_structure(checker);
    if (violations.size() != before) continue;
    check_shapes(checker);
    check_dynamic_sizes(checker);
    check_quantization(checker);
    check_precision(checker);
  }
  return violations;
}

std::vector<Diagnostic> find_misfits(const Model& model) {
  std::vector<Diagnostic> misfits;
  if (model.subgraphs.empty()) misfits.push_back({"the model has no subgraph", "", {}, ""});
  for (const Subgraph& subgraph : model.subgraphs) {
    const Checker checker{model, subgraph, misfits, true};
    const size_t before = misfits.size();
    check_structure(checker);
    if (misfits.size() == before) check_shapes(checker);
  }
  return misfits;
}

void verify(const Model& model) {
  std::vector<Diagnostic> violations = find_violations(model);
  if (!violations.empty()) throw Error("the TFLite model is not sound:", std::move(violations));
}

std::vector<Diagnostic> find_violations(std::span<const std::byte> file) {
  const Model model = read_tflite(file, nullptr);
  std::vector<Diagnostic> violations = find_violations(model);
  const fb::Model& source = *fb::GetModel(file.data());
  for (size_t s = 0; s < model.subgraphs.size(); ++s) {
    const Checker checker{model, model.subgraphs[s], violations};
    for (size_t i = 0; i < model.subgraphs[s].operators.size(); ++i) {
      const Operator& op = model.subgraphs[s].operators[i];
      const auto* stored =
          source.subgraphs()->Get(static_cast<uint32_t>(s))->operators()->Get(static_cast<uint32_t>(i));
      const int version = source.operator_codes()->Get(stored->opcode_index())->version();
      const int needed = operator_version(model.subgraphs[s], op);
      if (version < needed) {
        checker.report(op, fmt::format("its version is {}, but what it uses needs {}", version, needed));
      }
    }
  }
  return violations;
}

std::vector<Diagnostic> find_file_violations(const std::string& path) {
  const Storage file = map_file(path);
  return find_violations({file.data(), file.size()});
}

void verify_file(std::span<const std::byte> file) {
  std::vector<Diagnostic> violations = find_violations(file);
  if (!violations.empty()) throw Error("the TFLite file is not sound:", std::move(violations));
}

}  // namespace tinyml::tflite
