#pragma once

#include <Eigen/Core>

#include "evaluate/broadcast.h"
#include "tinyml/tensor.h"

namespace tinyml::evaluation {

template <typename T>
using Matrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
/// Row-major matrices over memory of others; rows may lie further apart than their length.
template <typename T>
using MatrixMap = Eigen::Map<Matrix<T>, Eigen::Unaligned, Eigen::OuterStride<>>;
template <typename T>
using ConstMatrixMap = Eigen::Map<const Matrix<T>, Eigen::Unaligned, Eigen::OuterStride<>>;

template <typename T>
ConstMatrixMap<T> matrix(const T* data, int64_t rows, int64_t columns) {
  return {data, rows, columns, Eigen::OuterStride<>(columns)};
}
template <typename T>
MatrixMap<T> matrix(T* data, int64_t rows, int64_t columns) {
  return {data, rows, columns, Eigen::OuterStride<>(columns)};
}

/// torch.matmul of tensors of one type: vectors, matrices, and stacks of them that are broadcast together.
Tensor matrix_multiply(const Tensor& a, const Tensor& b);

/// input [..., I] times the transpose of weight [O, I], plus bias [O] unless it is undefined.
Tensor linear(const Tensor& input, const Tensor& weight, const Tensor& bias);

}  // namespace tinyml::evaluation
