#include "tinyml/error.h"
#include "tinyml/tflite_precision.h"

namespace tinyml::tflite {

Precision parse_precision(const std::string& name) {
  if (name == "float32") return Precision::kFloat32;
  if (name == "float16") return Precision::kFloat16;
  if (name == "dynamic_range") return Precision::kDynamicRange;
  throw Error("'" + name + "' is no precision",
              "use float32, float16 or dynamic_range; static int8 comes from FakeQuants");
}

}  // namespace tinyml::tflite
