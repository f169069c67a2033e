#include <algorithm>
#include <numeric>
#include <set>

#include "tinyml/error.h"
#include "tinyml/tflite_info.h"

namespace tinyml::tflite {
namespace {

struct Lifetime {
  int tensor;
  size_t bytes;
  size_t first, last;  // Steps: 0 before the first operator, i + 1 for operator i.
};

std::vector<Lifetime> lifetimes(const Subgraph& subgraph, size_t alignment) {
  const size_t end = subgraph.operators.size() + 1;
  std::vector<Lifetime> by_tensor;
  for (size_t t = 0; t < subgraph.tensors.size(); ++t) by_tensor.push_back({static_cast<int>(t), 0, end + 1, 0});
  const auto touch = [&](int id, size_t step) {
    if (id == kNoTensor) return;
    Lifetime& life = by_tensor[static_cast<size_t>(id)];
    life.first = std::min(life.first, step);
    life.last = std::max(life.last, step);
  };
  for (int id : subgraph.inputs) touch(id, 0);
  for (size_t o = 0; o < subgraph.operators.size(); ++o) {
    for (int id : subgraph.operators[o].inputs) touch(id, o + 1);
    for (int id : subgraph.operators[o].outputs) touch(id, o + 1);
  }
  for (int id : subgraph.outputs) touch(id, end);
  std::vector<Lifetime> result;
  for (Lifetime& life : by_tensor) {
    const Tensor& tensor = subgraph.tensors[static_cast<size_t>(life.tensor)];
    if (life.first > life.last || !tensor.buffer.empty() || tensor.opaque || bits_of(tensor.type) == 0) continue;
    if (tensor.is_variable) life.first = 0, life.last = end;
    const auto bytes = static_cast<size_t>(byte_count(tensor.type, tensor.shape));
    life.bytes = (bytes + alignment - 1) / alignment * alignment;
    result.push_back(life);
  }
  return result;
}

int64_t product(const Subgraph& subgraph, const std::vector<int>& ids, size_t slot) {
  return slot < ids.size() && ids[slot] != kNoTensor
             ? element_count(subgraph.tensors[static_cast<size_t>(ids[slot])].shape)
             : 0;
}

int32_t last_size(const Subgraph& subgraph, int id) {
  const Shape& shape = subgraph.tensors[static_cast<size_t>(id)].shape;
  return shape.empty() ? 1 : shape.back();
}

int64_t macs_of(const Subgraph& subgraph, const Operator& op) {
  if (op.inputs.size() < 2 || op.outputs.empty() || op.inputs[0] == kNoTensor || op.inputs[1] == kNoTensor) return 0;
  const int64_t out = product(subgraph, op.outputs, 0);
  const int64_t weights = product(subgraph, op.inputs, 1);
  const Shape& shape = subgraph.tensors[static_cast<size_t>(op.inputs[1])].shape;
  switch (op.op) {
    case Op::CONV_2D:  // Weights [out, h, w, in / groups]
      return shape.empty() || shape[0] == 0 ? 0 : out * (weights / shape[0]);
    case Op::DEPTHWISE_CONV_2D:  // [1, h, w, out]
    case Op::CONV_3D:            // [d, h, w, in, out]
      return shape.empty() || shape.back() == 0 ? 0 : out * (weights / shape.back());
    case Op::TRANSPOSE_CONV:  // [out, h, w, in]: every input element meets each of them once.
      return op.inputs.size() < 3 || shape.empty() || shape.back() == 0
                 ? 0
                 : product(subgraph, op.inputs, 2) * (weights / shape.back());
    case Op::FULLY_CONNECTED:  // [out, in]
      return out * last_size(subgraph, op.inputs[1]);
    case Op::BATCH_MATMUL: {
      const auto* options = std::get_if<BatchMatMulOptions>(&op.options);
      const Shape& a = subgraph.tensors[static_cast<size_t>(op.inputs[0])].shape;
      if (a.size() < 2) return 0;
      return out * (options != nullptr && options->adj_x ? a[a.size() - 2] : a.back());
    }
    default:
      return 0;
  }
}

}  // namespace

int64_t count_macs(const Subgraph& subgraph) {
  int64_t total = 0;
  for (const Operator& op : subgraph.operators) total += macs_of(subgraph, op);
  return total;
}

size_t count_constant_bytes(const Model& model) {
  std::map<const std::byte*, size_t> seen;
  for (const Subgraph& subgraph : model.subgraphs) {
    for (const Tensor& tensor : subgraph.tensors) {
      size_t& size = seen[tensor.buffer.data()];
      size = std::max(size, tensor.buffer.size());
    }
  }
  return std::accumulate(seen.begin(), seen.end(), size_t{0},
                         [](size_t sum, const auto& entry) { return sum + entry.second; });
}

ArenaPlan plan_arena(const Subgraph& subgraph, size_t alignment) {
  TINYML_CHECK(alignment > 0);
  ArenaPlan plan;
  plan.offsets.assign(subgraph.tensors.size(), -1);
  std::vector<Lifetime> order = lifetimes(subgraph, alignment);
  std::stable_sort(order.begin(), order.end(), [](const auto& a, const auto& b) { return a.bytes > b.bytes; });
  struct Placed {
    size_t begin, end;
    size_t first, last;
  };
  std::vector<Placed> placed;  // By offset.
  for (const Lifetime& life : order) {
    size_t offset = 0;
    for (const Placed& other : placed) {
      if (other.last < life.first || other.first > life.last) continue;
      if (other.begin >= offset + life.bytes) break;
      offset = std::max(offset, other.end);
    }
    const Placed mine{offset, offset + life.bytes, life.first, life.last};
    placed.insert(std::upper_bound(placed.begin(), placed.end(), mine,
                                   [](const Placed& a, const Placed& b) { return a.begin < b.begin; }),
                  mine);
    plan.offsets[static_cast<size_t>(life.tensor)] = static_cast<int64_t>(offset);
    plan.bytes = std::max(plan.bytes, mine.end);
  }
  return plan;
}

std::map<std::string, int> count_operators(const Model& model) {
  std::map<std::string, int> counts;
  for (const Subgraph& subgraph : model.subgraphs) {
    for (const Operator& op : subgraph.operators) ++counts[name_of(op)];
  }
  return counts;
}

}  // namespace tinyml::tflite
