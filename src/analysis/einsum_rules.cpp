#include <algorithm>

#include "analysis/contraction.h"
#include "analysis/rules.h"
#include "tinyml/einsum.h"

namespace tinyml::analysis {
namespace {

/// Every letter is a dimension of a space: those of the result in its order, then those summed over.
void propagate_einsum(Propagation& p, const Node& node) {
  const ValueId output = node.outputs[0];
  const std::vector<ValueId> values = node.arg("tensors").as_values();
  std::vector<int64_t> ranks;
  for (ValueId value : values) ranks.push_back(p.rank(value));
  const EinsumEquation equation = parse_einsum(node.arg("equation").as_string(), ranks);
  std::string letters = equation.result;
  for (const std::string& operand : equation.operands) {
    for (char letter : operand) {
      if (letters.find(letter) == std::string::npos) letters += letter;
    }
  }
  std::vector<int64_t> space(letters.size(), 1), contracted, output_dims(letters.size(), -1);
  for (size_t i = 0; i < letters.size(); ++i) {
    if (i < equation.result.size()) {
      output_dims[i] = static_cast<int64_t>(i);
    } else {
      contracted.push_back(static_cast<int64_t>(i));
    }
  }
  std::vector<Operand> factors;
  for (size_t k = 0; k < values.size(); ++k) {
    const std::string& own = equation.operands[k];
    Operand factor{values[k], {}};
    for (size_t dim = 0; dim < own.size(); ++dim) {
      const size_t at = letters.find(own[dim]);
      factor.dims.push_back(static_cast<int64_t>(at));
      space[at] = std::max(space[at], p.sizes(values[k])[dim]);
      if (std::count(own.begin(), own.end(), own[dim]) > 1)
        p.fix(values[k], static_cast<int64_t>(dim), "a diagonal is taken of it");
      const bool alone = std::all_of(equation.operands.begin(), equation.operands.end(), [&](const std::string& other) {
        return &other == &own || other.find(own[dim]) == std::string::npos;
      });
      if (at >= equation.result.size()) {
        mark_role(p, values[k], static_cast<int64_t>(dim), AxisRole::kConsumer);
      } else if (alone) {
        mark_role(p, values[k], static_cast<int64_t>(dim), AxisRole::kProducer);
      }
    }
    factors.push_back(std::move(factor));
  }
  p.set(output, contract(p, factors, space, contracted, output_dims));
}

}  // namespace

void add_einsum_rules(Rules& rules) { add_rules(rules, {"aten.einsum.default"}, propagate_einsum); }

}  // namespace tinyml::analysis
