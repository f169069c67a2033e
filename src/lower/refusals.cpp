// Operators that TFLite cannot express, each with the nearest way out.
#include "lower/registry.h"

namespace tinyml::lowering {

void register_refusals(Registry& registry) {
  constexpr auto kSizeDepends = "the size of its result depends on data, and sizes in a TFLite file are fixed";
  registry.refuse({"nonzero", "nonzero_numpy", "argwhere", "where"}, kSizeDepends,
                  "use the mask itself: torch.where(mask, a, b), mask.sum(), or topk for a fixed number of positions");
  registry.refuse({"nonzero_static"}, "TFLite has no operator for it",
                  "take the positions of the largest: torch.topk(mask.float(), size).indices");
  registry.refuse({"masked_select"}, kSizeDepends, "use torch.where(mask, x, 0), or x * mask");
  registry.refuse({"unique", "_unique", "_unique2", "unique_dim", "unique_consecutive", "unique_dim_consecutive"},
                  kSizeDepends, "find the distinct values outside the model");
  registry.refuse({"bincount", "histc", "histogram", "_histogramdd_from_bin_cts", "histogramdd"},
                  "TFLite counts no occurrences",
                  "count by comparison: (x[:, None] == torch.arange(n)).sum(0), or by torch.bucketize and one_hot");

  constexpr auto kRandom = "a TFLite file gives the same result every time: it draws no random numbers";
  constexpr auto kPassNoise = "draw the numbers outside the model and pass them as an input";
  registry.refuse(
      {"rand", "randn", "randint", "randperm", "rand_like", "randn_like", "randint_like", "normal", "normal_functional",
       "uniform", "random", "log_normal", "cauchy", "exponential", "geometric", "poisson", "binomial"},
      kRandom, kPassNoise);
  registry.refuse({"bernoulli"}, kRandom, "draw outside the model, or use the probability itself, or p > 0.5");
  registry.refuse({"multinomial"}, kRandom, "return the probabilities and draw outside the model, or take argmax");
  registry.refuse({"rrelu_with_noise"}, kRandom, "put the model in eval mode");

  constexpr auto kComplex = "TFLite's kernels know no complex numbers";
  constexpr auto kTwoParts = "carry the real and the imaginary part as two tensors, or as a last dimension of two";
  registry.refuse({"view_as_complex", "view_as_real", "complex", "polar", "real", "imag", "angle", "conj", "_conj",
                   "_conj_physical", "conj_physical"},
                  kComplex, kTwoParts);
  registry.refuse({"fft_*", "_fft_*"}, kComplex,
                  "multiply by a constant matrix of cosines and sines (a DFT as nn.Linear), or transform before");
  registry.refuse({"stft", "istft"}, kComplex,
                  "compute it as a Conv1d with windowed cosines and sines as weights, or transform before the model");

  constexpr auto kDecomposition = "TFLite has no decompositions of matrices";
  registry.refuse({"linalg_inv", "linalg_inv_ex", "inverse", "pinverse", "linalg_pinv"}, kDecomposition,
                  "compute the inverse before the conversion if the matrix is constant; write out 2x2 and 3x3 ones");
  registry.refuse({"linalg_svd",
                   "_linalg_svd",
                   "svd",
                   "linalg_svdvals",
                   "linalg_eigh",
                   "linalg_eigvalsh",
                   "linalg_eig",
                   "_linalg_eigh",
                   "linalg_qr",
                   "linalg_cholesky",
                   "linalg_cholesky_ex",
                   "cholesky",
                   "linalg_lu",
                   "linalg_lu_factor",
                   "linalg_solve",
                   "linalg_solve_ex",
                   "_linalg_solve_ex",
                   "linalg_solve_triangular",
                   "triangular_solve",
                   "linalg_lstsq",
                   "linalg_det",
                   "_linalg_det",
                   "det",
                   "logdet",
                   "linalg_slogdet",
                   "_linalg_slogdet",
                   "linalg_matrix_rank",
                   "linalg_matrix_exp",
                   "matrix_exp",
                   "cholesky_solve"},
                  kDecomposition, "do it outside the model, before or after the converted part");

  constexpr auto kSpecial = "TFLite has no operator for it, and no short composition of operators is exact";
  constexpr auto kTable = "replace it by a polynomial, or a table read with torch.bucketize and index_select";
  registry.refuse({"erfinv", "special_erfcx", "lgamma", "mvlgamma", "digamma", "polygamma", "igamma", "igammac", "i0",
                   "special_*", "nextafter"},
                  kSpecial, kTable);
  registry.refuse({"gcd", "lcm"}, "it loops as often as the data demand", "compute it outside the model");
  registry.refuse({"mode"}, "TFLite counts no occurrences",
                  "compare with every candidate and take argmax of the counts");
  registry.refuse({"frexp"}, kSpecial, "use torch.log2(x.abs()).floor() for the exponent");
  registry.refuse({"nanmedian", "nanquantile"}, "what is not a number has no place in TFLite's order",
                  "replace it before: torch.nan_to_num(x), then median or quantile");

  registry.refuse({"item", "_local_scalar_dense"}, "a number that depends on data cannot steer a TFLite graph",
                  "keep it a tensor; decide with torch.where or torch.cond");
  registry.refuse({"ctc_loss", "_ctc_loss", "multi_margin_loss", "multilabel_margin_loss"},
                  "a loss that only training computes", "leave it out of the model that is converted");
  registry.refuse({"fractional_max_pool2d", "fractional_max_pool3d"}, kRandom, "use max pooling or adaptive pooling");
  registry.refuse({"max_unpool2d", "max_unpool3d"}, "TFLite has no pooling that returns positions",
                  "upsample with interpolate, or a transposed convolution");
}

}  // namespace tinyml::lowering
