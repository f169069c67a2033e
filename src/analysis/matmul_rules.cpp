#include <algorithm>

#include "analysis/contraction.h"
#include "analysis/rules.h"

namespace tinyml::analysis {
namespace {

/// Adds a bias of the output's last dimensions: its labels join, and only what both make zero stays zero.
void add_bias(Propagation& p, ValueId bias, ValueId output) {
  if (bias == kNoValue) return;
  const int64_t rank = p.rank(output);
  p.set(output, p.join({aligned(p, output), broadcast(p, bias, rank)}, p.sizes(output), ZeroRule::kAll));
}

/// x: [..., K], weight: [N, K] (or [K]) -> [..., N].
void propagate_linear(Propagation& p, const Node& node) {
  const ValueId input = operand(node, 0), weight = operand(node, 1), output = node.outputs[0];
  std::vector<int64_t> space = p.sizes(input);
  const int64_t contracted = static_cast<int64_t>(space.size());
  const bool has_rows = p.rank(weight) == 2;
  // The space is [..., N, K] so that the output's dimensions come in order.
  space.back() = has_rows ? p.sizes(weight)[0] : 1;
  space.push_back(p.sizes(input).back());
  Operand x = aligned(p, input);
  x.dims.back() = contracted;
  Operand w{weight, has_rows ? std::vector<int64_t>{contracted - 1, contracted} : std::vector<int64_t>{contracted}};
  mark_role(p, weight, p.rank(weight) - 1, AxisRole::kConsumer);
  if (has_rows) mark_role(p, weight, 0, AxisRole::kProducer);
  std::vector<int64_t> output_dims(space.size());
  for (size_t i = 0; i < space.size(); ++i) output_dims[i] = static_cast<int64_t>(i);
  output_dims.back() = -1;
  p.set(output, contract(p, {x, w}, space, {contracted}, output_dims));
  add_bias(p, optional_operand(node, "bias"), output);
}

/// a: [..., M, K], b: [..., K, N] -> [..., M, N]; vectors as torch.matmul takes them.
void propagate_matmul(Propagation& p, ValueId a, ValueId b, ValueId output) {
  const bool a_vector = p.rank(a) == 1, b_vector = p.rank(b) == 1;
  const int64_t a_batch = a_vector ? 0 : p.rank(a) - 2, b_batch = b_vector ? 0 : p.rank(b) - 2;
  const int64_t batch = std::max(a_batch, b_batch);
  const int64_t rows = batch, contracted = batch + 1, columns = batch + 2;
  std::vector<int64_t> space(static_cast<size_t>(batch) + 3, 1);
  const auto place = [&](ValueId value, int64_t own_batch, std::vector<int64_t> tail) {
    Operand result = aligned(p, value, batch - own_batch);
    result.dims.resize(static_cast<size_t>(own_batch));
    result.dims.insert(result.dims.end(), tail.begin(), tail.end());
    for (size_t i = 0; i < result.dims.size(); ++i) {
      int64_t& size = space[static_cast<size_t>(result.dims[i])];
      size = std::max(size, p.sizes(value)[i]);
    }
    return result;
  };
  const Operand x = a_vector ? place(a, 0, {contracted}) : place(a, a_batch, {rows, contracted});
  const Operand y = b_vector ? place(b, 0, {contracted}) : place(b, b_batch, {contracted, columns});
  if (!b_vector) {
    mark_role(p, b, p.rank(b) - 2, AxisRole::kConsumer);
    mark_role(p, b, p.rank(b) - 1, AxisRole::kProducer);
  }
  std::vector<int64_t> output_dims(space.size(), -1);
  for (int64_t i = 0; i < batch; ++i) output_dims[static_cast<size_t>(i)] = i;
  output_dims[static_cast<size_t>(rows)] = batch;
  output_dims[static_cast<size_t>(columns)] = a_vector ? batch : batch + 1;
  p.set(output, contract(p, {x, y}, space, {contracted}, output_dims));
}

/// input1 [..., A], input2 [..., B], weight [O, A, B] -> [..., O].
void propagate_bilinear(Propagation& p, const Node& node) {
  const ValueId a = operand(node, 0), b = operand(node, 1), weight = operand(node, 2), output = node.outputs[0];
  const int64_t last = p.rank(output) - 1;
  std::vector<int64_t> space = p.sizes(output);
  space.push_back(p.sizes(weight)[1]);
  space.push_back(p.sizes(weight)[2]);
  Operand x = aligned(p, a), y = aligned(p, b);
  x.dims.back() = last + 1;
  y.dims.back() = last + 2;
  p.set_role(weight, 0, AxisRole::kProducer);
  for (int64_t dim : {1, 2}) p.set_role(weight, dim, AxisRole::kConsumer);
  std::vector<int64_t> output_dims(space.size(), -1);
  for (int64_t i = 0; i <= last; ++i) output_dims[static_cast<size_t>(i)] = i;
  const Operand w{weight, {last, last + 1, last + 2}};
  p.set(output, contract(p, {x, y, w}, space, {last + 1, last + 2}, output_dims));
  add_bias(p, optional_operand(node, "bias"), output);
}

}  // namespace

void add_matmul_rules(Rules& rules) {
  add_rules(rules, {"aten.linear.default"}, propagate_linear);
  add_rules(rules, {"aten.bilinear.default"}, propagate_bilinear);
  add_rules(rules, {"aten.matmul.default", "aten.mm.default", "aten.bmm.default"},
            [](Propagation& p, const Node& node) {
              propagate_matmul(p, operand(node, 0), operand(node, 1), node.outputs[0]);
            });
  add_rules(rules, {"aten.addmm.default", "aten.baddbmm.default"}, [](Propagation& p, const Node& node) {
    propagate_matmul(p, operand(node, 1), operand(node, 2), node.outputs[0]);
    add_bias(p, operand(node, 0), node.outputs[0]);
  });
}

}  // namespace tinyml::analysis
