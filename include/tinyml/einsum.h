#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace tinyml {

/// An equation of torch.einsum with a letter for every dimension: those of "..." are named by control characters, the
/// last one first, so that operands with fewer of them line up at the end.
struct EinsumEquation {
  std::vector<std::string> operands;
  std::string result;
};

/// `ranks`: of the operands. Throws Error if the equation does not fit them.
EinsumEquation parse_einsum(const std::string& equation, const std::vector<int64_t>& ranks);

}  // namespace tinyml
