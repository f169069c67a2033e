#include "prune/cut_binding.h"

#include <algorithm>
#include <cstring>

#include "prune/gather_indices.h"

namespace tinyml::prune {
namespace {

std::vector<int64_t> indices_of(const std::vector<bool>& alive, size_t begin, size_t end) {
  std::vector<int64_t> result;
  for (size_t i = begin; i < end; ++i) {
    if (alive[i]) result.push_back(static_cast<int64_t>(i - begin));
  }
  return result;
}

/// Rows [begin, end) of dimension 0; shares storage.
Tensor rows_of(const Tensor& data, int64_t begin, int64_t end) {
  std::vector<int64_t> shape = data.shape();
  shape[0] = end - begin;
  return Tensor(data.type(), shape, data.strides(), data.offset() + begin * data.strides()[0], data.storage());
}

/// Each group's rows that remain, cut to the group's own columns.
Tensor cut_groups(const Tensor& data, int64_t groups, const std::vector<bool>& rows, const std::vector<bool>& columns) {
  const auto row_run = static_cast<size_t>(data.size(0) / groups);
  const auto column_run = static_cast<size_t>(data.size(1));
  std::vector<Tensor> parts;
  int64_t kept_rows = 0;
  for (size_t group = 0; group < static_cast<size_t>(groups); ++group) {
    const std::vector<int64_t> own_rows = indices_of(rows, group * row_run, (group + 1) * row_run);
    const std::vector<int64_t> own_columns = indices_of(columns, group * column_run, (group + 1) * column_run);
    if (own_rows.empty()) continue;
    const Tensor part =
        rows_of(data, static_cast<int64_t>(group * row_run), static_cast<int64_t>((group + 1) * row_run));
    parts.push_back(gather_indices(part, {{0, own_rows}, {1, own_columns}}));
    kept_rows += static_cast<int64_t>(own_rows.size());
    if (parts.back().size(1) != parts.front().size(1))
      throw Error("the groups of a weight keep different numbers of channels");
  }
  TINYML_CHECK(!parts.empty());
  std::vector<int64_t> shape = parts.front().shape();
  shape[0] = kept_rows;
  Tensor result(data.type(), shape);
  std::byte* out = result.mutable_bytes();
  for (const Tensor& part : parts) {
    std::memcpy(out, part.bytes(), part.nbytes());
    out += part.nbytes();
  }
  return result;
}

}  // namespace

std::map<ValueId, std::vector<const BindingAxis*>> axes_by_binding(const DependencyGraph& dependencies) {
  std::map<ValueId, std::vector<const BindingAxis*>> result;
  for (const BindingAxis& axis : dependencies.axes) result[axis.value].push_back(&axis);
  return result;
}

Tensor cut_tensor(const Tensor& data, const std::vector<const BindingAxis*>& axes,
                  const std::vector<std::vector<bool>>& alive) {
  Tensor result = data;
  const auto grouped = std::find_if(axes.begin(), axes.end(), [](const BindingAxis* axis) { return axis->groups > 1; });
  if (grouped != axes.end()) {
    std::vector<bool> rows(static_cast<size_t>(data.size(0)), true);
    for (size_t i = 0; i < axes.size(); ++i) {
      if (axes[i]->groups == 1 && axes[i]->dim == 0) rows = alive[i];
    }
    result = cut_groups(data, (*grouped)->groups, rows, alive[static_cast<size_t>(grouped - axes.begin())]);
  }
  std::vector<Selection> selections;
  for (size_t i = 0; i < axes.size(); ++i) {
    if (axes[i]->groups > 1 || (grouped != axes.end() && axes[i]->dim == 0)) continue;
    if (std::find(alive[i].begin(), alive[i].end(), false) == alive[i].end()) continue;
    selections.push_back({axes[i]->dim, indices_of(alive[i], 0, alive[i].size())});
  }
  return gather_indices(result, std::move(selections));
}

Tensor mask_tensor(const Tensor& data, const std::vector<const BindingAxis*>& axes,
                   const std::vector<std::vector<bool>>& alive) {
  Tensor result = data.contiguous();
  if (result.numel() == 0) return result;
  std::byte* bytes = nullptr;
  for (size_t i = 0; i < axes.size(); ++i) {
    const BindingAxis& axis = *axes[i];
    if (!axis.maskable || std::find(alive[i].begin(), alive[i].end(), false) == alive[i].end()) continue;
    if (bytes == nullptr) bytes = result.mutable_bytes();
    size_t inner = size_of(data.type());
    for (int64_t dim = axis.dim + 1; dim < data.rank(); ++dim) inner *= static_cast<size_t>(data.size(dim));
    const auto size = static_cast<size_t>(data.size(axis.dim));
    const size_t outer = data.nbytes() / (inner * size);
    for (size_t row = 0; row < outer; ++row) {
      const size_t group =
          axis.groups > 1 ? row / (static_cast<size_t>(data.size(0)) / static_cast<size_t>(axis.groups)) : 0;
      for (size_t index = 0; index < size; ++index) {
        if (!alive[i][group * size + index]) std::memset(bytes + (row * size + index) * inner, 0, inner);
      }
    }
  }
  return result;
}

}  // namespace tinyml::prune
