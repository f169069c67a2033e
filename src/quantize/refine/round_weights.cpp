#include "quantize/refine/round_weights.h"

#include <Eigen/Cholesky>
#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

namespace tinyml::quantization {
namespace {

constexpr double kDamping = 0.01;  // of the mean square, added to each column's: few samples must not be fitted exactly

Eigen::MatrixXd nearest_integers(const Eigen::MatrixXd& weights, double low, double high) {
  return weights.unaryExpr([&](double w) { return std::clamp(std::nearbyint(w), low, high); });
}

}  // namespace

Eigen::MatrixXd round_rows(const Eigen::MatrixXd& weights, const Eigen::MatrixXf& inputs, double low, double high,
                           const Eigen::VectorXd& row_weight, double& nearest, double& chosen) {
  const Eigen::Index count = weights.cols();
  Eigen::MatrixXf products = Eigen::MatrixXf::Zero(count, count);
  products.selfadjointView<Eigen::Lower>().rankUpdate(inputs);
  const Eigen::MatrixXd moments = Eigen::MatrixXf(products.selfadjointView<Eigen::Lower>()).cast<double>();

  std::vector<Eigen::Index> order(static_cast<size_t>(count));
  std::iota(order.begin(), order.end(), Eigen::Index{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](Eigen::Index a, Eigen::Index b) { return moments(a, a) > moments(b, b); });
  const double mean_square = std::max(moments.diagonal().mean(), 1e-30);
  Eigen::MatrixXd ordered = moments(order, order);
  ordered.diagonal().array() += kDamping * mean_square;
  const Eigen::MatrixXd inverse = ordered.llt().solve(Eigen::MatrixXd::Identity(count, count));
  const Eigen::MatrixXd upper = inverse.llt().matrixU();

  Eigen::MatrixXd left = weights(Eigen::all, order);
  Eigen::MatrixXd spread(weights.rows(), count);
  for (Eigen::Index i = 0; i < count; ++i) {
    const Eigen::VectorXd rounded = nearest_integers(left.col(i), low, high);
    const Eigen::VectorXd error = (left.col(i) - rounded) / upper(i, i);
    const Eigen::Index rest = count - i - 1;
    if (rest > 0) left.rightCols(rest).noalias() -= error * upper.row(i).tail(rest);
    spread.col(order[static_cast<size_t>(i)]) = rounded;
  }

  Eigen::MatrixXd result = nearest_integers(weights, low, high);
  const auto changes = [&](const Eigen::MatrixXd& integers) -> Eigen::VectorXd {
    const Eigen::MatrixXd difference = weights - integers;
    return (difference * moments).cwiseProduct(difference).rowwise().sum();
  };
  const Eigen::VectorXd by_nearest = changes(result);
  const Eigen::VectorXd by_spread = changes(spread);
  for (Eigen::Index row = 0; row < weights.rows(); ++row) {
    const bool better = by_spread(row) < by_nearest(row);
    if (better) result.row(row) = spread.row(row);
    nearest += by_nearest(row) * row_weight(row);
    chosen += (better ? by_spread(row) : by_nearest(row)) * row_weight(row);
  }
  return result;
}

}  // namespace tinyml::quantization
