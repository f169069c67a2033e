#include "tflite/dynamic/generic_sizes.h"

#include <algorithm>
#include <optional>

#include "tflite/dynamic/propagate_sizes.h"

namespace tinyml::tflite {
namespace {

bool is_dynamic(const Tensor& tensor) {
  return std::any_of(tensor.shape_signature.begin(), tensor.shape_signature.end(), [](int32_t n) { return n < 0; });
}

struct TwoSamples {
  ModelShapes first, second;
};

// Whether each number of the first sample stands for one size: it is one number in the second.
bool tells_sizes_apart(const TwoSamples& samples) {
  std::map<int32_t, int32_t> seen;
  for (size_t s = 0; s < samples.first.size(); ++s) {
    for (size_t t = 0; t < samples.first[s].size(); ++t) {
      const Shape& a = samples.first[s][t];
      const Shape& b = samples.second[s][t];
      for (size_t i = 0; i < a.size(); ++i) {
        if (seen.try_emplace(a[i], b[i]).first->second != b[i]) return false;
      }
    }
  }
  return true;
}

// Makes the sizes fit; false when there is nothing left to try.
bool resolve(SizeClasses& classes, const Misfit& misfit) {
  return classes.unite_aligned(misfit.inputs) || classes.enlarge() || classes.unite_alike(misfit.inputs) ||
         classes.pin(misfit.inputs);
}

std::optional<TwoSamples> sample(const Model& model) {
  SizeClasses classes;
  for (int variant = 0; variant + 1 < SizeClasses::kVariants;) {
    TwoSamples samples;
    bool fits = true;
    for (const int k : {0, 1}) {
      classes.use_variant(variant + k);
      auto shapes = propagate_sizes(model, classes);
      if (const auto* misfit = std::get_if<Misfit>(&shapes)) {
        if (!resolve(classes, *misfit)) return std::nullopt;
        fits = false;
        break;
      }
      (k == 0 ? samples.first : samples.second) = std::get<ModelShapes>(std::move(shapes));
    }
    if (!fits) continue;
    if (tells_sizes_apart(samples)) return samples;
    variant += 2;
  }
  return std::nullopt;
}

}  // namespace

bool has_dynamic_sizes(const Model& model) {
  return std::any_of(model.subgraphs.begin(), model.subgraphs.end(), [](const Subgraph& subgraph) {
    return std::any_of(subgraph.tensors.begin(), subgraph.tensors.end(), is_dynamic);
  });
}

std::map<int32_t, int32_t> set_generic_sizes(Model& model, bool mark) {
  if (!has_dynamic_sizes(model)) return {};
  const auto samples = sample(model);
  if (!samples) return {};
  std::map<int32_t, int32_t> examples;
  const auto set = [&](size_t s, size_t t) {
    Tensor& tensor = model.subgraphs[s].tensors[t];
    const Shape& a = samples->first[s][t];
    const Shape& b = samples->second[s][t];
    if (tensor.is_constant() || a.size() != tensor.shape.size()) return;
    for (size_t i = 0; i < a.size(); ++i) {
      const bool varies = a[i] != b[i];
      const bool said = !tensor.shape_signature.empty() && tensor.shape_signature[i] < 0;
      if (!varies && !said) continue;
      if (!said && mark) {
        if (tensor.shape_signature.empty()) tensor.shape_signature = tensor.shape;
        tensor.shape_signature[i] = -1;
      }
      examples.try_emplace(a[i], tensor.shape[i]);
      tensor.shape[i] = a[i];
    }
  };
  // The sizes of inputs are what somebody chose; those of other tensors may be of no meaning.
  for (size_t s = 0; s < model.subgraphs.size(); ++s) {
    for (const int id : std::vector<int>(model.subgraphs[s].inputs)) set(s, static_cast<size_t>(id));
  }
  for (size_t s = 0; s < model.subgraphs.size(); ++s) {
    for (size_t t = 0; t < model.subgraphs[s].tensors.size(); ++t) set(s, t);
  }
  return examples;
}

}  // namespace tinyml::tflite
