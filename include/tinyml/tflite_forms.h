// Forms: ways to write one operation that differ in speed. The target's measured costs decide; a person may overrule.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "tinyml/tflite_target.h"

namespace tinyml::tflite {

// X(enumerator, name, what is written instead of what)
// clang-format off
#define TINYML_TFLITE_FORMS(X) \
  X(kTables, "tables", "x * f(x) and other joins of functions of one INT8 value in INT8, which run as one table") \
  X(kLinear, "linear", "convolutions by 1x1 of maps of 1x1 as FULLY_CONNECTED") \
  X(kFoldWidth, "fold-width", "neighbouring columns of a strided convolution's input as channels, by a RESHAPE") \
  X(kFocus, "focus", "CONCATENATION of every second pixel in front of a convolution as a convolution of stride 2") \
  X(kMaxPool, "max-pool", "INT8 max pooling behind a CONCATENATION of constant borders instead of a PAD") \
  X(kAveragePool, "average-pool", "INT8 average pooling over its stride as a depthwise convolution") \
  X(kTransposed, "transposed", "TRANSPOSE_CONV as one convolution a phase and DEPTH_TO_SPACE") \
  X(kStrips, "strips", "depthwise convolutions of more than 25 taps as sums of dilated ones") \
  X(kMultiplier, "multiplier", "depthwise convolutions of several outputs a channel as one for each and CONCATENATION") \
  X(kGroups, "groups", "convolutions of narrow groups with neighbouring groups merged") \
  X(kNearest, "nearest", "nearest resize by whole factors without half-pixel centres") \
  X(kBroadcast, "broadcast", "INT8 products that broadcast, in float between DEQUANTIZE and QUANTIZE") \
  X(kSplit, "split", "a convolution whose channels are split as one convolution a part") \
  X(kWinograd, "winograd", "3x3 float convolutions of 128 channels and more by fewer products; weights grow by 78 %")
// clang-format on

enum class Form {
#define TINYML_TFLITE_FORM(enumerator, name, description) enumerator,
  TINYML_TFLITE_FORMS(TINYML_TFLITE_FORM)
#undef TINYML_TFLITE_FORM
};

std::string_view to_string(Form form);
/// The names that `parse_forms` takes, and what each form is.
std::vector<std::pair<std::string, std::string>> form_descriptions();

/// Overruled forms: always written where they apply (true), or never (false).
using FormOverrides = std::map<Form, bool>;
/// {"+fold-width", "-tables"}. Throws Error naming every item that is not a sign and a form's name.
FormOverrides parse_forms(const std::vector<std::string>& items);

/// Which forms are written.
class FormPolicy {
 public:
  explicit FormPolicy(Target target = Target::kLitert, FormOverrides overrides = {})
      : target_(target), overrides_(std::move(overrides)) {}
  Target target() const { return target_; }
  /// Whether `form` is written for INT8 (quantized) or float values: as overruled, else where the table of measured
  /// costs has it faster than the usual form, or where the target wants it whatever its speed.
  bool uses(Form form, bool quantized) const;

 private:
  Target target_;
  FormOverrides overrides_;
};

}  // namespace tinyml::tflite
