#pragma once

#include "evaluate/broadcast.h"
#include "evaluate/dispatch.h"
#include "evaluate/operator_call.h"

namespace tinyml::evaluation {

/// f(x) on elements of any kind; the type stays.
template <typename F>
Tensor map_any(const Tensor& tensor, F f) {
  return dispatch_compute(tensor.type(),
                          [&](auto zero) {
                            using T = decltype(zero);
                            return map_elements<T, T>(tensor.to(scalar_type_of<T>()), [&](T x) -> T { return f(x); });
                          })
      .to(tensor.type());
}

/// f(x) on floating-point elements; the type stays. Throws Error for other elements.
template <typename F>
Tensor map_floating(const Tensor& tensor, F f) {
  return dispatch_floating(tensor.type(),
                           [&](auto zero) {
                             using T = decltype(zero);
                             return map_elements<T, T>(tensor.to(scalar_type_of<T>()), [&](T x) -> T { return f(x); });
                           })
      .to(tensor.type());
}

/// The same; integers become floating-point first.
template <typename F>
Tensor map_as_floating(const OperatorCall& call, const Tensor& tensor, F f) {
  return map_floating(is_floating_point(tensor.type()) ? tensor : tensor.to(call.default_float()), f);
}

}  // namespace tinyml::evaluation
