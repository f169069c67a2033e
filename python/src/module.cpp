#include "bindings.h"

NB_MODULE(_core, module) {
  using namespace tinyml::python;
  bind_error(module);  // first: the others' errors are translated by it
  bind_graph(module);
}
