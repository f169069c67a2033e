// Rounding of weights that changes a layer's results least.
#pragma once

#include <Eigen/Core>

namespace tinyml::quantization {

/// Rows of weights in units of their scales -> integers in [low, high] that change weights * inputs least over the
/// columns of `inputs`. Column after column, most used first, is rounded to nearest, and what that changes is spread
/// over those not rounded yet (GPTQ). A row keeps its nearest rounding where that changes the results no more.
/// `nearest` and `chosen` get the squared changes, summed over rows, in squared units, weighted with `row_weight` (the
/// squared scales).
Eigen::MatrixXd round_rows(const Eigen::MatrixXd& weights, const Eigen::MatrixXf& inputs, double low, double high,
                           const Eigen::VectorXd& row_weight, double& nearest, double& chosen);

}  // namespace tinyml::quantization
