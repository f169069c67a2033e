#include "evaluate/pad.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "evaluate/registry.h"
#include "evaluate/view.h"

namespace tinyml::evaluation {
namespace {

enum class PadMode { kReflect, kReplicate, kCircular };

/// Source index of position `at` (negative before the start) of a dimension of `size`.
int64_t source_index(PadMode mode, int64_t at, int64_t size) {
  switch (mode) {
    case PadMode::kReplicate:
      return std::clamp<int64_t>(at, 0, size - 1);
    case PadMode::kCircular:
      return (at % size + size) % size;
    case PadMode::kReflect:
      return at < 0 ? -at : (at >= size ? 2 * (size - 1) - at : at);
  }
  return 0;
}

/// `pads`: before and after of the last dimension, then of the one before it, ...
void check_pads(const Tensor& tensor, const Sizes& pads) {
  constexpr int64_t kMost = int64_t{1} << 40;
  if (pads.size() % 2 != 0 || static_cast<int64_t>(pads.size() / 2) > tensor.rank()) {
    throw Error("pad: two amounts for each padded dimension are expected");
  }
  for (int64_t pad : pads) {
    if (pad < -kMost || pad > kMost) throw Error(fmt::format("pad: {} is out of range", pad));
  }
}

Tensor pad_copying(Tensor tensor, const Sizes& pads, PadMode mode) {
  check_pads(tensor, pads);
  for (size_t i = 0; i < pads.size() / 2; ++i) {
    const int64_t dim = tensor.rank() - 1 - static_cast<int64_t>(i);
    int64_t before = pads[2 * i];
    int64_t after = pads[2 * i + 1];
    if (mode == PadMode::kCircular && std::min(before, after) < 0) {  // what wraps around is what a crop leaves
      const int64_t end = tensor.size(dim) + std::min<int64_t>(after, 0);
      tensor = slice(tensor, dim, std::max<int64_t>(-before, 0), std::max<int64_t>(end, 0), 1);
      before = std::max<int64_t>(before, 0);
      after = std::max<int64_t>(after, 0);
    }
    const int64_t size = tensor.size(dim);
    const int64_t most = mode == PadMode::kReflect ? size - 1 : size;
    if (size + before + after <= 0 || (mode != PadMode::kReplicate && std::max(before, after) > most)) {
      throw Error(fmt::format("padding {}, {} does not fit size {}", before, after, size));
    }
    Sizes indices;
    for (int64_t at = -before; at < size + after; ++at) indices.push_back(source_index(mode, at, size));
    tensor = tensor.index_select(dim, indices);
  }
  return tensor;
}

Tensor pad_constant_reversed(const Tensor& tensor, const Sizes& pads, double value) {
  check_pads(tensor, pads);
  Sizes before(tensor.shape().size(), 0);
  Sizes after = before;
  for (size_t i = 0; i < pads.size() / 2; ++i) {
    before[before.size() - 1 - i] = pads[2 * i];
    after[after.size() - 1 - i] = pads[2 * i + 1];
  }
  return pad_constant(tensor, before, after, value);
}

Tensor pad(const OperatorCall& call) {
  const Tensor self = call.tensor("self");
  const Sizes pads = call.integers("pad");
  const std::string& mode = call.string("mode");
  if (mode == "constant") return pad_constant_reversed(self, pads, call.optional_number("value").value_or(0));
  if (mode == "reflect") return pad_copying(self, pads, PadMode::kReflect);
  if (mode == "replicate") return pad_copying(self, pads, PadMode::kReplicate);
  if (mode == "circular") return pad_copying(self, pads, PadMode::kCircular);
  throw Error("unknown padding mode '" + mode + "'");
}

Tensor constant_pad(const OperatorCall& call) {
  return pad_constant_reversed(call.tensor("self"), call.integers("pad"), call.number("value"));
}

template <PadMode kMode>
Tensor pad_with(const OperatorCall& call) {
  return pad_copying(call.tensor("self"), call.integers("padding"), kMode);
}

constexpr OperatorEntry kOperators[] = {
    {"aten.pad.default", pad},
    {"aten.constant_pad_nd.default", constant_pad},
    {"aten.reflection_pad1d.default", pad_with<PadMode::kReflect>},
    {"aten.reflection_pad2d.default", pad_with<PadMode::kReflect>},
    {"aten.reflection_pad3d.default", pad_with<PadMode::kReflect>},
    {"aten.replication_pad1d.default", pad_with<PadMode::kReplicate>},
    {"aten.replication_pad2d.default", pad_with<PadMode::kReplicate>},
    {"aten.replication_pad3d.default", pad_with<PadMode::kReplicate>},
};

}  // namespace

Tensor pad_constant(const Tensor& tensor, const Sizes& before, const Sizes& after, double value) {
  const size_t rank = tensor.shape().size();
  TINYML_CHECK(before.size() == rank && after.size() == rank);
  Tensor source = tensor;
  Sizes shape = tensor.shape();
  Sizes start(rank, 0);
  for (size_t i = 0; i < rank; ++i) {
    const int64_t size = shape[i];
    const auto dim = static_cast<int64_t>(i);
    shape[i] = size + before[i] + after[i];
    if (shape[i] < 0) throw Error(fmt::format("padding {}, {} does not fit size {}", before[i], after[i], size));
    source = slice(source, dim, std::clamp<int64_t>(-before[i], 0, size), size + std::min<int64_t>(after[i], 0), 1);
    start[i] = std::max<int64_t>(before[i], 0);
  }
  Tensor result = broadcast_to(Tensor::scalar(value).to(tensor.type()), shape).contiguous();
  if (source.numel() == 0 || result.numel() == 0) return result;
  source = source.contiguous();
  if (rank == 0) return source;
  const size_t element = size_of(tensor.type());
  const auto row = static_cast<size_t>(source.shape().back()) * element;
  const int64_t rows = source.numel() / source.shape().back();
  std::byte* out = result.mutable_bytes();
  Sizes index(rank, 0);
  for (int64_t r = 0; r < rows; ++r) {
    int64_t at = 0;
    for (size_t d = 0; d < rank; ++d) at = at * shape[d] + index[d] + start[d];
    std::memcpy(out + static_cast<size_t>(at) * element, source.bytes() + static_cast<size_t>(r) * row, row);
    for (size_t d = rank - 1; d-- > 0;) {
      if (++index[d] < source.shape()[d]) break;
      index[d] = 0;
    }
  }
  return result;
}

std::span<const OperatorEntry> pad_operators() { return kOperators; }

}  // namespace tinyml::evaluation
