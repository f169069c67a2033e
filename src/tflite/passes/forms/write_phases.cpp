#include <array>

#include "tflite/constant_values.h"
#include "tflite/passes/forms/convolution_view.h"
#include "tflite/passes/forms/forms.h"

namespace tinyml::tflite {
namespace {

// One dimension of a transposed convolution: output y reads input i by tap y - i * stride + offset.
struct Dimension {
  int32_t in, out, kernel, stride, offset;
  int32_t steps() const { return (out + stride - 1) / stride; }
};

// The outputs y = m * stride + residue: a convolution of the inputs m + low .. m + low + taps - 1 by the taps first,
// first + stride, ... in reverse.
struct Phase {
  int32_t first, taps, low;
  bool same_window(const Phase& other) const { return taps == other.taps && low == other.low; }
  int32_t before() const { return -low; }
  int32_t after(const Dimension& d) const { return d.steps() - 1 + low + taps - 1 - (d.in - 1); }
};

Phase phase_of(const Dimension& d, int32_t residue) {
  const int32_t shifted = residue + d.offset;
  Phase phase{shifted % d.stride, 0, 0};
  phase.taps = phase.first < d.kernel ? (d.kernel - phase.first + d.stride - 1) / d.stride : 0;
  phase.low = shifted / d.stride - phase.taps + 1;
  return phase;
}

struct Transposed {
  int op, slice;  ///< The SLICE behind it that crops the result, or kNoProducer.
  Dimension height, width;
  std::vector<Phase> rows, columns;  ///< By residue.
};

std::optional<Transposed> view(const Editor& editor, int o) {
  const Operator& op = editor.op(o);
  const auto* options = std::get_if<TransposeConvOptions>(&op.options);
  if (op.op != Op::TRANSPOSE_CONV || options == nullptr || options->stride_h != options->stride_w) return std::nullopt;
  const Tensor& weights = editor.tensor(op.inputs[1]);
  const Tensor& x = editor.tensor(op.inputs[2]);
  const Tensor& out = editor.tensor(op.outputs[0]);
  if (!weights.is_constant() || weights.rank() != 4 || !is_static(x) || !is_static(out)) return std::nullopt;
  const bool quantized = x.type == Type::INT8 && weights.type == Type::INT8 && out.type == Type::INT8;
  const bool floating = x.type == Type::FLOAT32 && weights.type == Type::FLOAT32;
  if ((!quantized && !floating) || options->stride_h < 2) return std::nullopt;
  if (op.inputs.size() < 4 || op.inputs[3] == kNoTensor || !editor.tensor(op.inputs[3]).is_constant()) {
    return std::nullopt;
  }
  const int32_t step = options->stride_h;
  Transposed result{o,
                    kNoProducer,
                    {x.shape[1], out.shape[1], weights.shape[1], step, 0},
                    {x.shape[2], out.shape[2], weights.shape[2], step, 0},
                    {},
                    {}};
  if (options->padding == Padding::SAME) {
    for (Dimension* d : {&result.height, &result.width}) {
      d->offset = std::max(0, (d->in - 1) * step + d->kernel - d->out) / 2;
    }
  }
  const int next = editor.only_consumer(op.outputs[0]);
  if (next != kGraphOutput && editor.op(next).op == Op::SLICE) {
    const auto begin = constant_integers(editor.subgraph(), editor.op(next), 1);
    const Tensor& cropped = editor.tensor(editor.op(next).outputs[0]);
    if (begin && begin->size() == 4 && (*begin)[0] == 0 && (*begin)[3] == 0 && cropped.shape[3] == out.shape[3] &&
        cropped.shape[0] == out.shape[0] && cropped.quantization == out.quantization) {
      result.slice = next;
      result.height.offset += static_cast<int32_t>((*begin)[1]);
      result.width.offset += static_cast<int32_t>((*begin)[2]);
      result.height.out = cropped.shape[1];
      result.width.out = cropped.shape[2];
    }
  }
  for (int32_t residue = 0; residue < step; ++residue) {
    result.rows.push_back(phase_of(result.height, residue));
    result.columns.push_back(phase_of(result.width, residue));
  }
  const auto fits = [](const Phase& phase, const Dimension& d) {
    return phase.taps > 0 && phase.before() >= 0 && phase.after(d) >= 0;
  };
  for (const Phase& phase : result.rows) {
    if (!fits(phase, result.height)) return std::nullopt;
  }
  for (const Phase& phase : result.columns) {
    if (!fits(phase, result.width)) return std::nullopt;
  }
  return result;
}

// A convolution for the phases whose residues are given; their channels one after the other.
int convolve(Editor& editor, const Transposed& at, const std::vector<std::pair<size_t, size_t>>& residues) {
  const Operator op = editor.op(at.op);
  const Phase& row = at.rows[residues[0].first];
  const Phase& column = at.columns[residues[0].second];
  const Tensor weights = editor.tensor(op.inputs[1]);
  const Shape old = weights.shape;
  const int32_t step = at.height.stride;
  const auto copies = static_cast<int32_t>(residues.size());
  Tensor remapped = remap_constant(weights, {old[0] * copies, row.taps, column.taps, old[3]}, [&](const Shape& i) {
    const auto& [y, x] = residues[static_cast<size_t>(i[0] / old[0])];
    const int32_t tap_y = at.rows[y].first + step * (row.taps - 1 - i[1]);
    const int32_t tap_x = at.columns[x].first + step * (column.taps - 1 - i[2]);
    return ((int64_t{i[0] % old[0]} * old[1] + tap_y) * old[2] + tap_x) * old[3] + i[3];
  });
  const Tensor bias = editor.tensor(op.inputs[3]);
  Tensor tiled = remap_constant(bias, {old[0] * copies}, [&](const Shape& i) { return int64_t{i[0] % old[0]}; });
  for (Tensor* tensor : {&remapped, &tiled}) {
    const Quantization q = tensor->quantization;
    for (int32_t copy = 1; copy < copies && q.per_channel(); ++copy) {
      tensor->quantization.scale.insert(tensor->quantization.scale.end(), q.scale.begin(), q.scale.end());
      tensor->quantization.zero_point.insert(tensor->quantization.zero_point.end(), q.zero_point.begin(),
                                             q.zero_point.end());
    }
  }
  const int x = add_spatial_padding(editor, op.inputs[2], row.before(), row.after(at.height), column.before(),
                                    column.after(at.width));
  const Shape out = {editor.tensor(x).shape[0], at.height.steps(), at.width.steps(), old[0] * copies};
  Conv2DOptions options{.padding = Padding::VALID};
  options.activation = std::get<TransposeConvOptions>(op.options).activation;
  const int bias_id = copies == 1 ? op.inputs[3] : editor.add_tensor(std::move(tiled));
  return add_result(editor, Op::CONV_2D, {x, editor.add_tensor(std::move(remapped)), bias_id}, options, op.outputs[0],
                    out, "_phase");
}

bool rewrite(Editor& editor, int o, const FormPolicy& policy) {
  const auto at = view(editor, o);
  if (!at || !policy.uses(Form::kTransposed, editor.tensor(editor.op(o).inputs[2]).type == Type::INT8)) return false;
  const auto step = static_cast<size_t>(at->height.stride);
  std::vector<std::pair<size_t, size_t>> residues;
  bool together = true;
  for (size_t y = 0; y < step; ++y) {
    for (size_t x = 0; x < step; ++x) {
      residues.emplace_back(y, x);
      together = together && at->rows[y].same_window(at->rows[0]) && at->columns[x].same_window(at->columns[0]);
    }
  }
  if (!together && step > 2) return false;  // More parts than a CONCATENATION of XNNPACK takes.
  const int result = at->slice == kNoProducer ? editor.op(o).outputs[0] : editor.op(at->slice).outputs[0];
  int stacked = kNoTensor;
  if (together) {
    stacked = convolve(editor, *at, residues);
  } else {
    std::vector<int> parts;
    for (const auto& residue : residues) parts.push_back(convolve(editor, *at, {residue}));
    Shape shape = editor.tensor(parts[0]).shape;
    shape[3] *= static_cast<int32_t>(parts.size());
    stacked = add_result(editor, Op::CONCATENATION, parts, ConcatenationOptions{.axis = 3}, parts[0], shape, "_phases");
  }
  const Shape out = editor.tensor(result).shape;
  const Shape full = {out[0], at->height.steps() * at->height.stride, at->width.steps() * at->width.stride, out[3]};
  const DepthToSpaceOptions block{at->height.stride};
  int y = add_result(editor, Op::DEPTH_TO_SPACE, {stacked}, block, result, full, "_woven");
  if (full != out) {
    const int begin = editor.add_integers("begin", {0, 0, 0, 0});
    y = add_result(editor, Op::SLICE, {y, begin, editor.add_integers("size", out)}, {}, result, out, "_cropped");
  }
  editor.remove(o);
  if (at->slice != kNoProducer) editor.remove(at->slice);
  editor.replace_uses(result, y);
  return true;
}

}  // namespace

int write_phases(Subgraph& subgraph, const FormPolicy& policy) {
  return rewrite_each(subgraph, [&](Editor& editor, int o) { return rewrite(editor, o, policy); });
}

}  // namespace tinyml::tflite
