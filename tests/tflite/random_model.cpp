// Random models in logical form, for comparing what two versions of them compute.
#include <algorithm>
#include <numeric>

#include "tflite/builder.h"

namespace tinyml::tflite::testing {
namespace {

class Generator {
 public:
  Generator(unsigned seed, int size) : builder_(seed), size_(size) {}

  Model run() {
    values_.push_back(builder_.input({1, pick({4, 8}), 8, 8}));
    if (chance(3)) values_.push_back(builder_.input({1, pick({4, 8}), 8, 8}));
    while (static_cast<int>(builder_.graph().operators.size()) < size_) step();
    std::vector<int> outputs;
    for (size_t i = 0; i < 2 && i < values_.size(); ++i) outputs.push_back(values_[values_.size() - 1 - i]);
    std::erase_if(outputs, [&](int id) {
      const auto& inputs = builder_.graph().inputs;
      return std::find(inputs.begin(), inputs.end(), id) != inputs.end();
    });
    return builder_.finish(outputs);
  }

 private:
  int number(int count) { return std::uniform_int_distribution<int>(0, count - 1)(builder_.random()); }
  bool chance(int one_in) { return number(one_in) == 0; }
  int pick(const std::vector<int>& from) { return from[static_cast<size_t>(number(static_cast<int>(from.size())))]; }

  // Recent values are likelier, so that chains grow.
  int value() {
    const int count = static_cast<int>(values_.size());
    return values_[static_cast<size_t>(std::max(number(count), number(count)))];
  }

  void step() {
    const int x = value();
    const Shape s = builder_.shape(x);
    if (element_count(s) > 40000) return;
    const int rank = static_cast<int>(s.size());
    if (chance(5)) return selection(x, s, rank);
    switch (number(rank == 4 ? 20 : 10)) {
      case 0:
        keep(builder_.unary(pick_op({Op::RELU, Op::LOGISTIC, Op::TANH, Op::ABS, Op::LEAKY_RELU}), x));
        break;
      case 1:
        return binary(x);
      case 2:
        return transpose(x, rank);
      case 3:
        return reshape(x);
      case 4: {
        std::vector<int32_t> axes = {number(rank)};
        return keep(builder_.mean(x, axes, rank <= 2 || chance(2)));
      }
      case 5:
        return keep(rank >= 2 ? builder_.softmax(x) : builder_.unary(Op::RELU, x));
      case 6: {
        std::vector<int32_t> paddings;
        for (int i = 0; i < 2 * rank; ++i) paddings.push_back(number(2));
        return keep(builder_.pad(x, paddings));
      }
      case 7: {
        std::vector<int32_t> begin;
        std::vector<int32_t> size;
        for (int32_t extent : s) {
          begin.push_back(extent > 2 ? number(2) : 0);
          size.push_back(extent - begin.back() - (extent > 3 ? number(2) : 0));
        }
        return keep(builder_.slice(x, begin, size));
      }
      case 8: {
        const int axis = number(rank);
        const int other = builder_.unary(Op::NEG, x);
        return keep(builder_.concatenation({x, other, x}, axis));
      }
      case 9:
        if (rank == 4 && chance(2)) {
          const int flat = builder_.reshape(x, {s[0], s[1] * s[2] * s[3]});
          return keep(builder_.linear(chance(2) ? flat : builder_.unary(Op::TANH, flat), 5));
        }
        return keep(builder_.linear(x, 6));
      case 10:
      case 11:
      case 12:
        if (s[2] < 3 || s[3] < 3) return;
        return keep(builder_.convolution(x, pick({4, 8}), 3, 1 + number(2)));
      case 13:
        return keep(builder_.convolution(x, s[1] * (1 + number(2)), 1, 1, s[1]));
      case 14:
        return keep(s[2] >= 2 && s[3] >= 2 ? builder_.max_pool(x) : builder_.unary(Op::RELU, x));
      case 15:
        return keep(s[2] >= 2 && s[3] >= 2 ? builder_.average_pool(x) : builder_.unary(Op::RELU, x));
      case 16:
        return s[2] * s[3] < 64 ? keep(builder_.resize(x)) : void();
      case 17:
        return s[2] * s[3] < 64 ? keep(builder_.transposed_convolution(x, 4)) : void();
      case 18: {
        if (s[1] % 2 != 0) return;
        const auto parts = builder_.split(x, 1, 2);
        keep(parts[0]);
        return keep(parts[1]);
      }
      default: {
        const int t = builder_.transpose(x, {0, 2, 3, 1});
        return keep(builder_.transpose(builder_.softmax(t), {0, 3, 1, 2}));
      }
    }
  }

  // What passes over selections, shuffles and arithmetic by constants look for.
  void selection(int x, const Shape& s, int rank) {
    const auto axis = static_cast<size_t>(number(rank));
    switch (number(5)) {
      case 0: {  // One part of a split.
        if (s[axis] % 2 != 0) return;
        const auto parts = builder_.split(x, static_cast<int>(axis), 2);
        return keep(parts[static_cast<size_t>(number(2))]);
      }
      case 1: {  // A shuffle.
        if (rank > 4 || s[axis] % 4 != 0) return;
        Shape split = s;
        split[axis] /= 2;
        split.insert(split.begin() + static_cast<std::ptrdiff_t>(axis), 2);
        std::vector<int32_t> permutation(split.size());
        std::iota(permutation.begin(), permutation.end(), 0);
        std::swap(permutation[axis], permutation[axis + 1]);
        return keep(builder_.reshape(builder_.transpose(builder_.reshape(x, split), permutation), s));
      }
      case 2: {  // A chain of constants.
        Shape c(s.size(), 1);
        c[axis] = s[axis];
        const Op op = pick_op({Op::MUL, Op::ADD, Op::SUB});
        return keep(builder_.binary(pick_op({op, Op::MUL}), builder_.binary(op, x, builder_.constant(c)),
                                    builder_.constant(chance(2) ? c : Shape{1})));
      }
      case 3: {  // Slices put together in another sequence.
        if (s[axis] < 3) return;
        std::vector<int32_t> begin(s.size(), 0);
        Shape size = s;
        size[axis] = s[axis] / 2;
        const int head = builder_.slice(x, begin, size);
        begin[axis] = s[axis] / 2;
        size[axis] = s[axis] - begin[axis];
        const int tail = builder_.slice(x, begin, size);
        return keep(builder_.concatenation(chance(2) ? std::vector<int>{head, tail} : std::vector<int>{tail, head},
                                           static_cast<int>(axis)));
      }
      default:
        return keep(builder_.mean(builder_.mean(x, {0}, true), {static_cast<int32_t>(axis)}, true));
    }
  }

  Op pick_op(const std::vector<Op>& ops) { return ops[static_cast<size_t>(number(static_cast<int>(ops.size())))]; }

  void binary(int x) {
    const Shape s = builder_.shape(x);
    const Op op = pick_op({Op::ADD, Op::MUL, Op::SUB, Op::MAXIMUM});
    std::vector<int> same;
    for (int other : values_) {
      if (other != x && builder_.shape(other) == s) same.push_back(other);
    }
    if (!same.empty() && !chance(3)) return keep(builder_.binary(op, x, pick(same)));
    Shape c = s;
    for (int32_t& size : c) size = chance(2) ? 1 : size;
    while (c.size() > 1 && chance(3)) c.erase(c.begin());
    if (chance(3) && c.size() < s.size()) {  // An operand of lower rank that is no constant.
      const int lower = builder_.unary(Op::TANH, builder_.constant(c));
      return keep(builder_.binary(op, x, lower));
    }
    keep(builder_.binary(op, x, builder_.constant(c)));
  }

  void transpose(int x, int rank) {
    std::vector<int32_t> permutation(static_cast<size_t>(rank));
    std::iota(permutation.begin(), permutation.end(), 0);
    std::shuffle(permutation.begin(), permutation.end(), builder_.random());
    keep(builder_.transpose(x, permutation));
  }

  void reshape(int x) {
    Shape s = builder_.shape(x);
    if (s.size() > 2 && chance(2)) {
      const auto at = static_cast<std::ptrdiff_t>(number(static_cast<int>(s.size()) - 1));
      s[static_cast<size_t>(at)] *= s[static_cast<size_t>(at) + 1];
      s.erase(s.begin() + at + 1);
    } else if (s.size() < 5) {
      const auto at = static_cast<std::ptrdiff_t>(number(static_cast<int>(s.size())));
      int32_t& size = s[static_cast<size_t>(at)];
      if (size % 2 == 0) {
        size /= 2;
        s.insert(s.begin() + at, 2);
      } else {
        s.insert(s.begin() + at, 1);
      }
    }
    keep(builder_.reshape(x, s));
  }

  void keep(int id) { values_.push_back(id); }

  Builder builder_;
  int size_;
  std::vector<int> values_;
};

}  // namespace

Model random_model(unsigned seed, int size) { return Generator(seed, size).run(); }

}  // namespace tinyml::tflite::testing
