// Between a model's tensors and what the runtime reads and writes: order of dimensions, element type, scale.
#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "tinyml/graph.h"
#include "tinyml/tflite.h"

namespace tinyml::cli {

// A tensor at the boundary of a file: the name the runtime knows it by, its index in the main subgraph.
using FileTensor = std::pair<std::string, int>;

// The tensors at one side of the file, in order.
std::vector<FileTensor> boundary(const tflite::Model& file, bool inputs);

// Dimension i of the file's tensor is dimension order[i] of the model's, which has these sizes. `keep_layout`: where
// both orders fit they are the same. Throws Error when neither fits.
std::vector<int64_t> order_in_file(const tflite::Tensor& tensor, const std::vector<int64_t>& sizes, bool keep_layout);

// Real numbers as the file stores them.
std::vector<std::byte> to_file(const Tensor& values, const tflite::Tensor& tensor, const std::vector<int64_t>& order);

// The file's `count` values as real numbers, in the order in which they are stored.
std::vector<double> from_file(const std::vector<std::byte>& bytes, const tflite::Tensor& tensor, size_t count);

}  // namespace tinyml::cli
