#include <algorithm>
#include <optional>

#include "graph/mapped_file.h"
#include "tflite/dynamic/generic_sizes.h"
#include "tflite/options_codec.h"
#include "tflite/verify/checker.h"
#include "tflite/versions.h"
#include "tinyml/tflite_verify.h"

namespace tinyml::tflite {
namespace {

// A file may give every dynamic size as 1, where windows and parts do not fit: such a model at other sizes.
std::optional<Model> at_fitting_sizes(const Model& model) {
  bool has_ones = false;
  for (const Subgraph& subgraph : model.subgraphs) {
    std::vector<Diagnostic> found;
    check_structure({model, subgraph, found, true});
    if (!found.empty()) return std::nullopt;
    for (const Tensor& tensor : subgraph.tensors) {
      for (size_t i = 0; i < tensor.shape_signature.size(); ++i) {
        has_ones = has_ones || (tensor.shape_signature[i] < 0 && tensor.shape[i] == 1);
      }
    }
  }
  if (!has_ones) return std::nullopt;
  Model other = model;
  set_generic_sizes(other, false);
  return other;
}

}  // namespace

std::vector<Diagnostic> find_violations(const Model& model) {
  std::vector<Diagnostic> violations;
  const std::optional<Model> other = at_fitting_sizes(model);
  const Model& sized = other ? *other : model;
  for (size_t s = 0; s < model.subgraphs.size(); ++s) {
    const Checker checker{model, model.subgraphs[s], violations};
    const size_t before = violations.size();
    check_structure(checker);
    if (violations.size() != before) continue;
    const Checker sizes{sized, sized.subgraphs[s], violations};
    check_shapes(sizes);
    check_attributes(sizes);
    check_dynamic_sizes(sizes);
    check_quantization(checker);
    check_precision(checker);
  }
  return violations;
}

std::vector<Diagnostic> find_misfits(const Model& model) {
  std::vector<Diagnostic> misfits;
  if (model.subgraphs.empty()) misfits.push_back({"the model has no subgraph", "", {}, ""});
  const std::optional<Model> other = at_fitting_sizes(model);
  for (size_t s = 0; s < model.subgraphs.size(); ++s) {
    const Checker checker{model, model.subgraphs[s], misfits, true};
    const size_t before = misfits.size();
    check_structure(checker);
    const Model& sized = other ? *other : model;
    if (misfits.size() != before) continue;
    const Checker sizes{sized, sized.subgraphs[s], misfits, true};
    check_shapes(sizes);
    check_attributes(sizes);
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
