#pragma once

#include <optional>
#include <string>

#include "tinyml/graph.h"

namespace tinyml {

/// The functional partner of an in-place operator: "aten.add.Tensor" for "aten.add_.Tensor". Nothing if there is none
/// with the same arguments, or if the operator changes a tensor's shape rather than its elements.
std::optional<std::string> functional_operator(const std::string& op);

/// The view that an in-place operator makes of the tensor itself: "aten.unsqueeze.default" for
/// "aten.unsqueeze_.default". Nothing if it is no such operator.
std::optional<std::string> view_operator(const std::string& op);

/// Whether the operator updates the buffers it observes with and is kept as it is (fake quantization).
bool is_observer(const std::string& op);

/// Element type of what the functional operator returns for the in-place call's arguments: the promoted type of its
/// tensors, or bool for comparisons. The in-place call keeps the type of the tensor it writes.
ScalarType functional_type(const Graph& graph, const Node& node, const std::string& functional);

}  // namespace tinyml
