// Tensors that are blocks of other ones.
#pragma once

#include <optional>
#include <vector>

#include "tflite/passes/editor.h"

namespace tinyml::tflite {

/// A block of `source`: where it begins along each axis. Its size is the shape of the tensor that it is.
struct Block {
  int source;
  std::vector<int64_t> begin;
};

/// Whether the size of the axis is known at run time only.
bool is_dynamic(const Tensor& tensor, size_t axis);

/// Whether two tensors have the same type and scale, so that values can be read from the one instead of the other.
bool same_values(const Editor& editor, int a, int b);

/// The result of SLICE or one of SPLIT's as a block of the operator's input.
std::optional<Block> block_of(const Editor& editor, int id);

/// Inputs of the SLICE that makes `out`, which has the block's size.
std::vector<int> slice_inputs(Editor& editor, const Block& block, int out);

}  // namespace tinyml::tflite
