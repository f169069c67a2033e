#include "graph/operator_aliases.h"

namespace tinyml {
namespace {

constexpr OperatorAlias kAliases[] = {
    {"aten.arccos.default", "aten.acos.default"},
    {"aten.arccosh.default", "aten.acosh.default"},
    {"aten.arcsin.default", "aten.asin.default"},
    {"aten.arcsinh.default", "aten.asinh.default"},
    {"aten.arctan.default", "aten.atan.default"},
    {"aten.arctan2.default", "aten.atan2.default"},
    {"aten.arctanh.default", "aten.atanh.default"},
    {"aten.fix.default", "aten.trunc.default"},
    {"aten.special_erfc.default", "aten.erfc.default"},
    {"aten.special_exp2.default", "aten.exp2.default"},
    {"aten.special_sinc.default", "aten.sinc.default"},
    {"aten.special_logit.default", "aten.logit.default"},
    {"aten.special_softmax.default", "aten.softmax.int"},
    {"aten.special_log_softmax.default", "aten.log_softmax.int"},
    {"aten.special_xlogy.default", "aten.xlogy.Tensor"},
    {"aten.true_divide.Scalar", "aten.div.Scalar"},
    {"aten.ger.default", "aten.outer.default"},
    {"aten.row_stack.default", "aten.vstack.default"},
    {"aten.view_copy.default", "aten.view.default"},
    {"aten.expand_copy.default", "aten.expand.default"},
    {"aten.permute_copy.default", "aten.permute.default"},
    {"aten.transpose_copy.int", "aten.transpose.int"},
    {"aten.select_copy.int", "aten.select.int"},
    {"aten.slice_copy.Tensor", "aten.slice.Tensor"},
    {"aten.unfold_copy.default", "aten.unfold.default"},
    {"aten.diagonal_copy.default", "aten.diagonal.default"},
    {"aten.as_strided_copy.default", "aten.as_strided.default"},
    {"aten.split_copy.Tensor", "aten.split.Tensor"},
    {"aten.unsafe_split.Tensor", "aten.split.Tensor"},
    {"aten.split_with_sizes_copy.default", "aten.split_with_sizes.default"},
    {"aten.unsafe_split_with_sizes.default", "aten.split_with_sizes.default"},
    {"aten.unbind_copy.int", "aten.unbind.int"},
    {"aten.unsafe_chunk.default", "aten.chunk.default"},
    {"aten._convolution.deprecated", "aten.convolution.default"},
    {"aten._native_batch_norm_legit.default", "aten.native_batch_norm.default"},
    {"aten._native_batch_norm_legit.no_stats", "aten.native_batch_norm.default"},
    {"aten._cdist_forward.default", "aten.cdist.default"},
    {"aten._pdist_forward.default", "aten.pdist.default"},
    {"aten.linalg_matrix_power.default", "aten.matrix_power.default"},
    {"aten.__and__.Tensor", "aten.bitwise_and.Tensor"},
    {"aten.__and__.Scalar", "aten.bitwise_and.Scalar"},
    {"aten.__or__.Tensor", "aten.bitwise_or.Tensor"},
    {"aten.__or__.Scalar", "aten.bitwise_or.Scalar"},
    {"aten.__xor__.Tensor", "aten.bitwise_xor.Tensor"},
    {"aten.__xor__.Scalar", "aten.bitwise_xor.Scalar"},
    {"aten.__lshift__.Tensor", "aten.bitwise_left_shift.Tensor"},
    {"aten.__lshift__.Scalar", "aten.bitwise_left_shift.Tensor_Scalar"},
    {"aten.__rshift__.Tensor", "aten.bitwise_right_shift.Tensor"},
    {"aten.__rshift__.Scalar", "aten.bitwise_right_shift.Tensor_Scalar"},
};

}  // namespace

std::span<const OperatorAlias> operator_aliases() { return kAliases; }

}  // namespace tinyml
