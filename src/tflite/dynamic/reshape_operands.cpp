#include "tflite/dynamic/reshape_operands.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <vector>

#include "tflite/dynamic/size_source.h"
#include "tinyml/error.h"

namespace tinyml::tflite {
namespace {

bool is_prime(int64_t number) {
  for (int64_t divisor = 2; divisor * divisor <= number; ++divisor) {
    if (number % divisor == 0) return false;
  }
  return number > 1;
}

/// A second, made-up sample of every dynamic size. Sizes are generic: one that a prime size divides is a multiple of
/// it, or a product; others are like no size before, so no formula joins them by accident.
class MadeUpSizes {
 public:
  Samples of(int64_t size, bool dynamic) {
    if (!dynamic) return {size, size};
    if (const auto known = made_.find(size); known != made_.end()) return {size, known->second};
    int64_t rest = size, product = 1;
    for (const int64_t prime : primes_) {
      for (; rest % prime == 0; rest /= prime) product *= made_.at(prime);
    }
    if (product > 1) return {size, made_[size] = product * rest};
    if (is_prime(size)) primes_.push_back(size);
    return {size, made_[size] = kLeast + size * kFactor % kModulus};
  }

 private:
  static constexpr int64_t kLeast = 1000, kFactor = 7919, kModulus = 9973;
  std::map<int64_t, int64_t> made_;
  std::vector<int64_t> primes_;
};

}  // namespace

void make_reshape_operands(Model& model) {
  for (Subgraph& subgraph : model.subgraphs) {
    SizeSource source(subgraph);
    MadeUpSizes sizes;
    const auto add = [&](int id) {
      const Tensor& tensor = subgraph.tensors[static_cast<size_t>(id)];
      if (tensor.shape_signature.empty()) return;
      std::vector<Samples> dims;
      for (size_t i = 0; i < tensor.shape.size(); ++i) {
        dims.push_back(sizes.of(tensor.shape[i], tensor.shape_signature[i] < 0));
      }
      source.add(id, dims);
    };
    for (const int id : subgraph.inputs) add(id);
    std::vector<Operator> operators = std::move(subgraph.operators);
    subgraph.operators.clear();
    for (Operator& op : operators) {
      if (op.op == Op::RESHAPE && op.inputs.size() == 1) {
        const Tensor out = subgraph.tensors[static_cast<size_t>(op.outputs[0])];
        if (std::count(out.shape_signature.begin(), out.shape_signature.end(), -1) > 1) {
          // One of them may be left to the runtime: the one hardest to compute, so try each.
          int shape = kNoTensor;
          for (size_t free = 0; free < out.shape.size() && shape == kNoTensor; ++free) {
            if (out.shape_signature[free] >= 0) continue;
            std::vector<Samples> elements;
            for (size_t i = 0; i < out.shape.size(); ++i) {
              elements.push_back(i == free ? Samples{-1, -1} : sizes.of(out.shape[i], out.shape_signature[i] < 0));
            }
            shape = source.vector_of(elements);
          }
          if (shape == kNoTensor) {
            throw Error(fmt::format("the sizes of '{}' do not follow from those of tensors computed before", out.name),
                        "keep all but one of its dimensions constant");
          }
          op.inputs.push_back(shape);
        }
      }
      const std::vector<int> outputs = op.outputs;
      subgraph.operators.push_back(std::move(op));
      for (const int id : outputs) add(id);
    }
  }
}

}  // namespace tinyml::tflite
