#include <Eigen/Dense>
#include <algorithm>
#include <cmath>

#include "prune/metrics.h"

namespace tinyml::prune {

std::vector<double> geometric_median_distances(const AxisRows& rows) {
  const int64_t count = rows.size * rows.groups;
  const int64_t per_group = rows.groups > 1 ? rows.row_run : rows.rows;
  Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor> matrix(count, per_group * rows.inner);
  for (int64_t row = 0; row < rows.rows; ++row) {
    const int64_t group = rows.groups > 1 ? row / rows.row_run : 0;
    const int64_t within = rows.groups > 1 ? row % rows.row_run : row;
    for (int64_t i = 0; i < rows.size; ++i) {
      const float* from = rows.data + (row * rows.size + i) * rows.inner;
      std::copy(from, from + rows.inner, matrix.row(group * rows.size + i).data() + within * rows.inner);
    }
  }
  // |a - b|^2 = |a|^2 + |b|^2 - 2ab, a block of rows at a time.
  const Eigen::VectorXd squares = matrix.cast<double>().rowwise().squaredNorm();
  std::vector<double> result(static_cast<size_t>(count), 0.0);
  constexpr int64_t kBlock = 256;
  for (int64_t begin = 0; begin < count; begin += kBlock) {
    const int64_t size = std::min(kBlock, count - begin);
    const Eigen::MatrixXf products = matrix.middleRows(begin, size) * matrix.transpose();
    for (int64_t i = 0; i < size; ++i) {
      double sum = 0.0;
      for (int64_t j = 0; j < count; ++j) {
        if (j == begin + i) continue;
        const double distance = squares[begin + i] + squares[j] - 2.0 * static_cast<double>(products(i, j));
        sum += std::sqrt(std::max(distance, 0.0));
      }
      result[static_cast<size_t>(begin + i)] = sum;
    }
  }
  return result;
}

}  // namespace tinyml::prune
