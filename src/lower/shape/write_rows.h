// Writing rows of a matrix at positions: what every scatter comes down to.
#pragma once

#include "lower/shape/positions.h"

namespace tinyml::lowering {

/// What becomes of a row and those written to its place.
enum class Write { kReplace, kSum, kProduct, kMaximum, kMinimum, kMean };

/// x [n, ...] with rows [m, ...] written at positions [m]. Of several rows for one place kReplace takes the last.
/// `include_self`: whether the old row takes part where others are written. Positions that are known and kReplace: one
/// GATHER of both; else UNSORTED_SEGMENT_*.
TensorId write_rows(Lowering& at, TensorId x, const Positions& positions, TensorId rows, Write write,
                    bool include_self = true);

/// x [n, ...] with one number, or one row of a shape that broadcasts, at positions [m].
TensorId fill_rows(Lowering& at, TensorId x, const Positions& positions, TensorId value);

/// Of scatter_reduce and index_reduce: "sum", "prod", "mean", "amax", "amin", "add", "multiply"; others throw.
Write parse_reduce(const Lowering& at);

}  // namespace tinyml::lowering
