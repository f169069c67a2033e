#include "bindings.h"

NB_MODULE(_core, module) {
  using namespace tinyml::python;
  nanobind::set_leak_warnings(false);  // a Graph in a global variable at exit is no leak
  bind_error(module);
  bind_graph(module);
  bind_archive(module);
  bind_evaluate(module);
  bind_analysis(module);
  bind_profile(module);
  bind_prune(module);
  bind_pruners(module);
  bind_codegen(module);
  bind_quantize(module);
  bind_search(module);
  bind_explain(module);
  bind_convert(module);
  bind_tflite(module);
}
