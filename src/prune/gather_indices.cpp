#include "prune/gather_indices.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <type_traits>

namespace tinyml::prune {
namespace {

/// Distance of neighbours along each dimension of a row-major tensor whose elements are `step` apart.
std::vector<int64_t> strides_of(const std::vector<int64_t>& shape, int64_t step) {
  std::vector<int64_t> strides(shape.size());
  for (size_t i = shape.size(); i-- > 0;) {
    strides[i] = step;
    step *= std::max<int64_t>(shape[i], 1);
  }
  return strides;
}

/// Storage whose bytes the caller writes before anybody reads them.
std::pair<Storage, std::byte*> unwritten(size_t bytes) {
  constexpr std::align_val_t kAlignment{64};
  std::shared_ptr<void> block(::operator new(std::max<size_t>(bytes, 1), kAlignment),
                              [](void* p) { ::operator delete(p, kAlignment); });
  auto* data = static_cast<std::byte*>(block.get());
  return {Storage::view(std::move(block), data, bytes), data};
}

template <size_t kBytes>
using Known = std::integral_constant<size_t, kBytes>;

/// Appends the blocks of so many bytes at these offsets to `out`; a Known size makes each copy a few instructions.
template <typename Size>
std::byte* copy_blocks(const std::byte* in, const std::vector<size_t>& offsets, Size bytes, std::byte* out) {
  for (const size_t offset : offsets) {
    std::memcpy(out, in + offset, bytes);
    out += bytes;
  }
  return out;
}

/// Byte offsets of all combinations of the selections' indices, in row-major order.
std::vector<size_t> offsets_of(const std::vector<Selection>& selections, const std::vector<int64_t>& strides) {
  std::vector<size_t> offsets = {0};
  for (const Selection& selection : selections) {
    std::vector<size_t> next;
    next.reserve(offsets.size() * selection.indices.size());
    for (const size_t offset : offsets) {
      for (const int64_t index : selection.indices) {
        next.push_back(offset + static_cast<size_t>(index * strides[static_cast<size_t>(selection.dim)]));
      }
    }
    offsets = std::move(next);
  }
  return offsets;
}

}  // namespace

Tensor gather_indices(const Tensor& data, std::vector<Selection> selections) {
  if (selections.empty()) return data;
  std::sort(selections.begin(), selections.end(), [](const Selection& a, const Selection& b) { return a.dim < b.dim; });
  const Tensor source = data.contiguous();
  std::vector<int64_t> shape = data.shape();
  const std::vector<int64_t> strides = strides_of(shape, static_cast<int64_t>(size_of(data.type())));
  const auto last_dim = static_cast<size_t>(selections.back().dim);
  const auto block = static_cast<size_t>(strides[last_dim]);
  for (const Selection& selection : selections) {
    TINYML_CHECK(selection.indices.empty() || (selection.indices.front() >= 0 &&
                                               selection.indices.back() < shape[static_cast<size_t>(selection.dim)]));
    shape[static_cast<size_t>(selection.dim)] = static_cast<int64_t>(selection.indices.size());
  }
  // Dimensions before the last selected one take part with all their indices.
  const std::vector<size_t> last = offsets_of({selections.back()}, strides);
  selections.pop_back();
  for (size_t dim = 0; dim < last_dim; ++dim) {
    if (std::any_of(selections.begin(), selections.end(),
                    [&](const Selection& selection) { return static_cast<size_t>(selection.dim) == dim; })) {
      continue;
    }
    Selection& all = selections.emplace_back(Selection{static_cast<int64_t>(dim), {}});
    for (int64_t i = 0; i < shape[dim]; ++i) all.indices.push_back(i);
  }
  std::sort(selections.begin(), selections.end(), [](const Selection& a, const Selection& b) { return a.dim < b.dim; });
  const std::vector<size_t> rows = offsets_of(selections, strides);
  auto [storage, out] = unwritten(rows.size() * last.size() * block);
  for (const size_t row : rows) {
    const std::byte* in = source.bytes() + row;
    switch (block) {
      case 1:
        out = copy_blocks(in, last, Known<1>(), out);
        break;
      case 2:
        out = copy_blocks(in, last, Known<2>(), out);
        break;
      case 4:
        out = copy_blocks(in, last, Known<4>(), out);
        break;
      case 8:
        out = copy_blocks(in, last, Known<8>(), out);
        break;
      case 36:
        out = copy_blocks(in, last, Known<36>(), out);
        break;  // 3 x 3 float32
      case 100:
        out = copy_blocks(in, last, Known<100>(), out);
        break;  // 5 x 5
      default:
        out = copy_blocks(in, last, block, out);
    }
  }
  return Tensor(data.type(), shape, strides_of(shape, 1), 0, std::move(storage));
}

}  // namespace tinyml::prune
