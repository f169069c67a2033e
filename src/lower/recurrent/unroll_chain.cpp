#include "lower/recurrent/chain.h"

namespace tinyml::lowering {

ChainResult unroll_chain(Lowering& at, const Chain& chain, TensorId x, const State& initial) {
  const std::vector<TensorId> projected = project_input(at, chain.cell, chain.weights, x);
  CellStep step(at, chain.cell, chain.weights);
  const auto time = static_cast<size_t>(chain.time_axis);
  const int64_t steps = at.shape(x)[time];
  State state = initial;
  std::vector<TensorId> outputs(static_cast<size_t>(steps));
  for (int64_t i = 0; i < steps; ++i) {
    const int64_t now = chain.backward ? steps - 1 - i : i;
    std::vector<TensorId> parts;
    for (const TensorId whole : projected) {
      Sizes begin(3, 0);
      Sizes size = at.shape(whole);
      begin[time] = now;
      size[time] = 1;
      parts.push_back(at.slice(whole, begin, size));
    }
    state = step.advance(parts, state);
    outputs[static_cast<size_t>(now)] = state.hidden;
  }
  return {concatenate_many(at, std::move(outputs), chain.time_axis), state};
}

}  // namespace tinyml::lowering
