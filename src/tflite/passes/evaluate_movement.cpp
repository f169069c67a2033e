#include "tflite/passes/evaluate_movement.h"

#include <cstring>

#include "tflite/constant_values.h"

namespace tinyml::tflite {
namespace {

using Sizes = std::vector<int64_t>;

Sizes strides_of(const Shape& shape) {
  Sizes strides(shape.size(), 1);
  for (size_t i = shape.size(); i-- > 1;) strides[i - 1] = strides[i] * shape[i];
  return strides;
}

// Copies `size` elements along each axis, with element strides of their own on both sides.
void copy_elements(std::byte* to, const std::byte* from, size_t width, const Shape& size, const Sizes& to_strides,
                   const Sizes& from_strides) {
  const int64_t count = element_count(size);
  Shape index(size.size(), 0);
  int64_t source = 0;
  int64_t target = 0;
  for (int64_t n = 0; n < count; ++n) {
    std::memcpy(to + static_cast<size_t>(target) * width, from + static_cast<size_t>(source) * width, width);
    for (size_t axis = size.size(); axis-- > 0;) {
      source += from_strides[axis], target += to_strides[axis];
      if (++index[axis] < size[axis]) break;
      source -= from_strides[axis] * size[axis], target -= to_strides[axis] * size[axis];
      index[axis] = 0;
    }
  }
}

int64_t offset_of(const Sizes& at, const Sizes& strides) {
  int64_t offset = 0;
  for (size_t i = 0; i < at.size(); ++i) offset += at[i] * strides[i];
  return offset;
}

// Sources side by side along an axis of the result; each takes `extent(i)` of it.
std::vector<std::byte> join(const Editor& editor, const Operator& op, size_t axis, bool adds_axis, size_t width) {
  const Shape& out = editor.tensor(op.outputs[0]).shape;
  std::vector<std::byte> result(static_cast<size_t>(element_count(out)) * width);
  const Sizes strides = strides_of(out);
  int64_t at = 0;
  for (const int id : op.inputs) {
    Shape shape = editor.tensor(id).shape;
    if (adds_axis) shape.insert(shape.begin() + static_cast<std::ptrdiff_t>(axis), 1);
    copy_elements(result.data() + static_cast<size_t>(at * strides[axis]) * width, editor.tensor(id).buffer.data(),
                  width, shape, strides, strides_of(shape));
    at += shape[axis];
  }
  return result;
}

}  // namespace

std::optional<Buffer> evaluate_movement(const Editor& editor, const Operator& op) {
  const Tensor& x = editor.tensor(op.inputs[0]);
  const Tensor& out = editor.tensor(op.outputs[0]);
  const int bits = bits_of(x.type);
  if (bits == 0 || bits % 8 != 0 || x.type != out.type || out.shape.empty() || x.quantization != out.quantization) {
    return std::nullopt;
  }
  const auto width = static_cast<size_t>(bits) / 8;
  const auto integers = [&](size_t slot) { return constant_integers(editor.subgraph(), op, slot); };
  std::vector<std::byte> result(static_cast<size_t>(element_count(out.shape)) * width);
  switch (op.op) {
    case Op::SLICE: {
      const auto begin = integers(1);
      if (!begin || begin->size() != x.shape.size()) return std::nullopt;
      const Sizes from = strides_of(x.shape);
      copy_elements(result.data(), x.buffer.data() + static_cast<size_t>(offset_of(*begin, from)) * width, width,
                    out.shape, strides_of(out.shape), from);
      return Buffer::of(std::move(result));
    }
    case Op::PAD: {
      const auto amounts = integers(1);
      if (!amounts || amounts->size() != 2 * x.shape.size() || !x.quantization.empty()) return std::nullopt;
      Sizes before;
      for (size_t i = 0; i < x.shape.size(); ++i) before.push_back((*amounts)[2 * i]);
      const Sizes to = strides_of(out.shape);
      copy_elements(result.data() + static_cast<size_t>(offset_of(before, to)) * width, x.buffer.data(), width, x.shape,
                    to, strides_of(x.shape));
      return Buffer::of(std::move(result));
    }
    case Op::CONCATENATION: {
      const auto& options = std::get<ConcatenationOptions>(op.options);
      if (options.activation != Activation::NONE) return std::nullopt;
      return Buffer::of(join(editor, op, static_cast<size_t>(normalized_axis(options.axis, out.rank())), false, width));
    }
    case Op::PACK: {
      const int axis = normalized_axis(std::get<PackOptions>(op.options).axis, out.rank());
      return Buffer::of(join(editor, op, static_cast<size_t>(axis), true, width));
    }
    case Op::GATHER: {
      const auto& options = std::get<GatherOptions>(op.options);
      const auto rows = integers(1);
      if (!rows || options.batch_dims != 0) return std::nullopt;
      const auto axis = static_cast<size_t>(normalized_axis(options.axis, x.rank()));
      size_t outer = 1;
      size_t inner = width;
      for (size_t i = 0; i < x.shape.size(); ++i) {
        if (i != axis) (i < axis ? outer : inner) *= static_cast<size_t>(x.shape[i]);
      }
      const auto extent = static_cast<size_t>(x.shape[axis]);
      size_t at = 0;
      for (size_t o = 0; o < outer; ++o) {
        for (const int64_t row : *rows) {
          if (row < 0 || static_cast<size_t>(row) >= extent) return std::nullopt;
          std::memcpy(result.data() + at, x.buffer.data() + (o * extent + static_cast<size_t>(row)) * inner, inner);
          at += inner;
        }
      }
      return Buffer::of(std::move(result));
    }
    case Op::BROADCAST_TO: {
      Sizes from(out.shape.size() - x.shape.size(), 0);
      const Sizes own = strides_of(x.shape);
      for (size_t i = 0; i < x.shape.size(); ++i) from.push_back(x.shape[i] == 1 ? 0 : own[i]);
      copy_elements(result.data(), x.buffer.data(), width, out.shape, strides_of(out.shape), from);
      return Buffer::of(std::move(result));
    }
    case Op::TILE: {
      // Along each axis the copies lie side by side: the axis counts as two, (copies, own size).
      const auto copies = integers(1);
      if (!copies || copies->size() != x.shape.size()) return std::nullopt;
      const Sizes own = strides_of(x.shape);
      const Sizes whole = strides_of(out.shape);
      Shape size;
      Sizes from;
      Sizes to;
      for (size_t i = 0; i < x.shape.size(); ++i) {
        size.insert(size.end(), {static_cast<int32_t>((*copies)[i]), x.shape[i]});
        from.insert(from.end(), {0, own[i]});
        to.insert(to.end(), {whole[i] * x.shape[i], whole[i]});
      }
      if (element_count(size) != element_count(out.shape)) return std::nullopt;
      copy_elements(result.data(), x.buffer.data(), width, size, to, from);
      return Buffer::of(std::move(result));
    }
    default:
      return std::nullopt;
  }
}

}  // namespace tinyml::tflite
