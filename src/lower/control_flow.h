#pragma once

#include "lower/registry.h"

namespace tinyml::lowering {

/// torch.cond and torch's while_loop.
void register_control_flow(Registry& registry);

}  // namespace tinyml::lowering
