#include "analysis/rules.h"

namespace tinyml::analysis {
namespace {

Rule elementwise_rule(ZeroRule rule, bool constant_counts) {
  return [=](Propagation& p, const Node& node) {
    const ValueId output = node.outputs[0];
    std::vector<Operand> operands;
    bool constant = false;
    for (const NamedArgument& arg : node.args) {
      if (arg.value.is_value() && p.is_tensor(arg.value.as_value())) {
        operands.push_back(broadcast(p, arg.value.as_value(), p.rank(output)));
      } else if (arg.name == "other" && arg.value.is_number() && arg.value.as_double() != 0.0) {
        constant = constant_counts;
      }
    }
    p.set(output, p.join(operands, p.sizes(output), rule, constant));
  };
}

/// A quotient: entries of the divisor that belong to removed channels must not become zero.
void propagate_quotient(Propagation& p, const Node& node) {
  if (node.args[1].value.is_value()) p.set_maskable(node.args[1].value.as_value(), false);
  elementwise_rule(ZeroRule::kFirst, false)(p, node);
}

/// clamp(x, min, max) keeps zero if it lies within the bounds.
Rule clamp_rule(const char* low, const char* high) {
  return [=](Propagation& p, const Node& node) {
    bool keeps = true;
    for (const char* name : {low, high}) {
      if (name == nullptr || !node.has_arg(name)) continue;
      const Argument& bound = node.arg(name);
      if (bound.is_value()) {
        keeps = false;
      } else if (!bound.is_none()) {
        keeps = keeps && (name == low ? bound.as_double() <= 0.0 : bound.as_double() >= 0.0);
      }
    }
    elementwise_rule(keeps ? ZeroRule::kFirst : ZeroRule::kNever, false)(p, node);
  };
}

/// prelu(x, weight): the weight has one slope, or one for each index of dimension 1.
void propagate_prelu(Propagation& p, const Node& node) {
  const ValueId input = operand(node, 0), weight = operand(node, 1), output = node.outputs[0];
  const int64_t channel = p.rank(input) > 1 ? 1 : 0;
  p.set(output, p.join({aligned(p, input), {weight, {channel}}}, p.sizes(output), ZeroRule::kAny));
}

}  // namespace

void add_elementwise_rules(Rules& rules) {
  add_rules(rules,
            {"aten.relu.default",
             "aten.relu6.default",
             "aten.silu.default",
             "aten.gelu.default",
             "aten.mish.default",
             "aten.hardswish.default",
             "aten.leaky_relu.default",
             "aten.elu.default",
             "aten.selu.default",
             "aten.celu.default",
             "aten.tanh.default",
             "aten.softsign.default",
             "aten.abs.default",
             "aten.neg.default",
             "aten.sign.default",
             "aten.sqrt.default",
             "aten.square.default",
             "aten.sin.default",
             "aten.tan.default",
             "aten.asin.default",
             "aten.atan.default",
             "aten.sinh.default",
             "aten.asinh.default",
             "aten.erf.default",
             "aten.expm1.default",
             "aten.log1p.default",
             "aten.floor.default",
             "aten.ceil.default",
             "aten.round.default",
             "aten.trunc.default",
             "aten.hardshrink.default",
             "aten.softshrink.default",
             "aten.tanhshrink.default",
             "aten.dropout.default",
             "aten.alpha_dropout.default",
             "aten.feature_dropout.default",
             "aten.clone.default",
             "aten.contiguous.default",
             "aten.detach.default",
             "aten.alias.default",
             "aten.to.dtype",
             "aten.to.device",
             "aten.to.dtype_layout",
             "aten._to_copy.default",
             "aten.lift_fresh_copy.default",
             "aten.type_as.default",
             "aten.to.other",
             "aten.positive.default",
             "aten.rrelu.default",
             "aten.atanh.default",
             "aten.arcsin.default",
             "aten.arctan.default",
             "aten.arcsinh.default",
             "aten.arctanh.default",
             "aten.special_erf.default",
             "aten.sgn.default",
             "aten.frac.default",
             "aten.fix.default",
             "aten.deg2rad.default",
             "aten.rad2deg.default",
             "aten.round.decimals",
             "aten.copysign.Scalar",
             "aten.copysign.Tensor"},
            elementwise_rule(ZeroRule::kFirst, false));
  add_rules(rules,
            {"aten.sigmoid.default",
             "aten.hardsigmoid.default",
             "aten.log_sigmoid.default",
             "aten.softplus.default",
             "aten.exp.default",
             "aten.exp2.default",
             "aten.log.default",
             "aten.log2.default",
             "aten.log10.default",
             "aten.cos.default",
             "aten.cosh.default",
             "aten.acos.default",
             "aten.rsqrt.default",
             "aten.reciprocal.default",
             "aten.erfc.default",
             "aten.bitwise_not.default",
             "aten.logical_not.default",
             "aten.rsub.Scalar",
             "aten.eq.Scalar",
             "aten.ne.Scalar",
             "aten.lt.Scalar",
             "aten.le.Scalar",
             "aten.gt.Scalar",
             "aten.ge.Scalar",
             "aten.eq.Tensor",
             "aten.ne.Tensor",
             "aten.lt.Tensor",
             "aten.le.Tensor",
             "aten.gt.Tensor",
             "aten.ge.Tensor",
             "aten.pow.Scalar",
             "aten.pow.Tensor_Tensor",
             "aten.where.self",
             "aten.where.ScalarOther",
             "aten.where.ScalarSelf",
             "aten.where.Scalar",
             "aten.masked_fill.Scalar",
             "aten.masked_fill.Tensor",
             "aten.atan2.default",
             "aten.threshold.default",
             "aten.isnan.default",
             "aten.isinf.default",
             "aten.logical_and.default",
             "aten.logical_or.default",
             "aten.bitwise_and.Tensor",
             "aten.bitwise_and.Scalar",
             "aten.bitwise_or.Tensor",
             "aten.bitwise_or.Scalar",
             "aten.bitwise_xor.Tensor",
             "aten.bitwise_xor.Scalar",
             "aten.bitwise_left_shift.Tensor",
             "aten.bitwise_left_shift.Tensor_Scalar",
             "aten.bitwise_right_shift.Tensor",
             "aten.bitwise_right_shift.Tensor_Scalar",
             "aten.xlogy.Tensor",
             "aten.xlogy.Scalar_Other",
             "aten.xlogy.Scalar_Self",
             "aten.addcdiv.default",
             "aten.ldexp.Tensor",
             "aten.isclose.default",
             "aten.fill.Tensor",
             "aten.remainder.Scalar",
             "aten.fmod.Scalar",
             "aten.remainder.Tensor",
             "aten.nan_to_num.default",
             "aten.zeros_like.default",
             "aten.ones_like.default",
             "aten.full_like.default",
             "aten.rand_like.default",
             "aten.randn_like.default",
             "aten.empty_like.default",
             "aten.fill.Scalar",
             "aten.acosh.default",
             "aten.arccos.default",
             "aten.arccosh.default",
             "aten.sinc.default",
             "aten.special_sinc.default",
             "aten.special_exp2.default",
             "aten.special_erfc.default",
             "aten.special_expit.default",
             "aten.logit.default",
             "aten.special_logit.default",
             "aten.logical_xor.default",
             "aten.isfinite.default",
             "aten.isneginf.default",
             "aten.isposinf.default",
             "aten.signbit.default",
             "aten.heaviside.default",
             "aten.logaddexp.default",
             "aten.logaddexp2.default",
             "aten.float_power.Scalar",
             "aten.float_power.Tensor_Scalar",
             "aten.float_power.Tensor_Tensor"},
            elementwise_rule(ZeroRule::kNever, false));
  add_rules(rules,
            {"aten.add.Tensor", "aten.add.Scalar", "aten.sub.Tensor", "aten.sub.Scalar", "aten.maximum.default",
             "aten.minimum.default", "aten.rsub.Tensor", "aten.addcmul.default", "aten.lerp.Tensor", "aten.lerp.Scalar",
             "aten.hypot.default", "aten.max.other", "aten.min.other", "aten.fmax.default", "aten.fmin.default"},
            elementwise_rule(ZeroRule::kAll, true));
  add_rules(rules, {"aten.mul.Tensor", "aten.mul.Scalar"}, elementwise_rule(ZeroRule::kAny, false));
  add_rules(
      rules,
      {"aten.div.Tensor", "aten.div.Scalar", "aten.div.Tensor_mode", "aten.div.Scalar_mode", "aten.true_divide.Tensor",
       "aten.true_divide.Scalar", "aten.floor_divide.default", "aten.floor_divide.Scalar", "aten.fmod.Tensor"},
      propagate_quotient);
  add_rules(rules, {"aten.pow.Tensor_Scalar"}, [](Propagation& p, const Node& node) {
    const Argument& exponent = node.args[1].value;
    const bool keeps = exponent.is_number() && exponent.as_double() > 0.0;
    elementwise_rule(keeps ? ZeroRule::kFirst : ZeroRule::kNever, false)(p, node);
  });
  add_rules(rules, {"aten.clamp.default", "aten.clamp.Tensor", "aten.clip.default", "aten.clip.Tensor"},
            clamp_rule("min", "max"));
  add_rules(rules, {"aten.clamp_min.default", "aten.clamp_min.Tensor"}, clamp_rule("min", nullptr));
  add_rules(rules, {"aten.clamp_max.default", "aten.clamp_max.Tensor"}, clamp_rule(nullptr, "max"));
  add_rules(rules, {"aten.hardtanh.default"}, clamp_rule("min_val", "max_val"));
  add_rules(rules, {"aten.prelu.default", "aten._prelu_kernel.default"}, propagate_prelu);
}

}  // namespace tinyml::analysis
