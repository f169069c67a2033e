#include <fmt/format.h>

#include <algorithm>

#include "tflite/forms/form_costs.h"
#include "tinyml/error.h"
#include "tinyml/tflite_forms.h"

namespace tinyml::tflite {
namespace {

struct Description {
  Form form;
  const char *name, *description;
};
constexpr Description kForms[] = {
#define TINYML_TFLITE_FORM(enumerator, name, description) {Form::enumerator, name, description},
    TINYML_TFLITE_FORMS(TINYML_TFLITE_FORM)
#undef TINYML_TFLITE_FORM
};

struct Cost {
  Form form;
  bool quantized;
  FormCost litert, builtin;
};
// Written by bench/forms/measure.py.
constexpr Cost kCosts[] = {
#define TINYML_FORM_COST(form, quantized, litert_usual, litert_form, builtin_usual, builtin_form) \
  {Form::form, quantized, {litert_usual, litert_form}, {builtin_usual, builtin_form}},
#include "tflite/forms/form_costs.inc"
#undef TINYML_FORM_COST
};

// A gain below the noise of the measurement is none.
constexpr double kNoise = 0.97;

// Where kernels cannot be timed here: the forms that keep values in INT8 or drop an attribute that few kernels have.
bool wanted_untimed(Form form, bool quantized) { return form == Form::kTables ? quantized : form == Form::kFocus; }

}  // namespace

std::string_view to_string(Form form) {
  return std::find_if(std::begin(kForms), std::end(kForms), [&](const Description& d) { return d.form == form; })->name;
}

std::vector<std::pair<std::string, std::string>> form_descriptions() {
  std::vector<std::pair<std::string, std::string>> result;
  for (const Description& form : kForms) result.emplace_back(form.name, form.description);
  return result;
}

FormOverrides parse_forms(const std::vector<std::string>& items) {
  FormOverrides overrides;
  std::vector<Diagnostic> problems;
  for (const std::string& item : items) {
    const auto* found = std::find_if(std::begin(kForms), std::end(kForms),
                                     [&](const Description& d) { return item.size() > 1 && item.substr(1) == d.name; });
    const bool sign = !item.empty() && (item[0] == '+' || item[0] == '-');
    if (sign && found != std::end(kForms)) {
      overrides[found->form] = item[0] == '+';
      continue;
    }
    std::string names;
    for (const Description& form : kForms) names += fmt::format("{}{}", names.empty() ? "" : ", ", form.name);
    problems.push_back({fmt::format("'{}' is no choice of a form", item),
                        "",
                        {},
                        fmt::format("write + (always) or - (never) before one of {}", names)});
  }
  if (!problems.empty()) throw Error("the forms cannot be read", problems);
  return overrides;
}

std::optional<FormCost> form_cost(Target target, Form form, bool quantized) {
  if (target != Target::kLitert && target != Target::kLitertBuiltin) return std::nullopt;
  for (const Cost& cost : kCosts) {
    if (cost.form != form || cost.quantized != quantized) continue;
    return target == Target::kLitert ? cost.litert : cost.builtin;
  }
  return std::nullopt;
}

bool FormPolicy::uses(Form form, bool quantized) const {
  if (const auto found = overrides_.find(form); found != overrides_.end()) return found->second;
  if (form == Form::kWinograd) return false;  // Its speed costs size.
  if (form == Form::kNearest) return true;    // Equal numbers by kernels that are never slower.
  if (target_ == Target::kTfliteMicro || target_ == Target::kEthosU) return wanted_untimed(form, quantized);
  const auto cost = form_cost(target_, form, quantized);
  return cost && cost->form < kNoise * cost->usual;
}

}  // namespace tinyml::tflite
