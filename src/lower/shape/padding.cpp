// Padding: PAD or PADV2 for constants, MIRROR_PAD for reflection, CONCATENATION of slices (GATHER for many) for
// replication and circular padding; negative padding cuts.
#include <algorithm>

#include "lower/registry.h"

namespace tinyml::lowering {
namespace {

// PyTorch lists {before, after} from the last dimension backwards.
struct Padding {
  Sizes before, after;
};

Padding read_padding(const Lowering& at, const char* name, size_t rank) {
  const Sizes pairs = at.integers(name);
  Padding padding{Sizes(rank, 0), Sizes(rank, 0)};
  if (pairs.size() % 2 != 0 || pairs.size() / 2 > rank) at.refuse("a padding list of a wrong length");
  for (size_t i = 0; i < pairs.size() / 2; ++i) {
    padding.before[rank - 1 - i] = pairs[2 * i];
    padding.after[rank - 1 - i] = pairs[2 * i + 1];
  }
  return padding;
}

// Cuts off what negative padding removes and sets that padding to zero.
TensorId crop(Lowering& at, TensorId x, Padding& padding) {
  Sizes size = at.shape(x);
  Sizes begin(size.size(), 0);
  for (size_t i = 0; i < size.size(); ++i) {
    begin[i] = std::max<int64_t>(0, -padding.before[i]);
    size[i] -= begin[i] + std::max<int64_t>(0, -padding.after[i]);
    padding.before[i] = std::max<int64_t>(0, padding.before[i]);
    padding.after[i] = std::max<int64_t>(0, padding.after[i]);
  }
  return at.slice(x, begin, size);
}

void constant(Lowering& at, double value) {
  TensorId x = at.input("self");
  Padding padding = read_padding(at, "pad", at.shape(x).size());
  x = crop(at, x, padding);
  at.set_output(at.pad(x, padding.before, padding.after, value));
}

void reflect(Lowering& at, const char* name) {
  TensorId x = at.input("self");
  Padding padding = read_padding(at, name, at.shape(x).size());
  x = crop(at, x, padding);
  std::vector<int32_t> paddings;
  for (size_t i = 0; i < padding.before.size(); ++i) {
    paddings.push_back(static_cast<int32_t>(padding.before[i]));
    paddings.push_back(static_cast<int32_t>(padding.after[i]));
  }
  if (at.shape(x) == at.output_sizes()) return at.set_output(x);
  const TensorId amounts = at.constant(std::move(paddings), {at.rank(x), 2});
  at.set_output(at.emit(Op::MIRROR_PAD, {x, amounts}, at.type(x), at.output_sizes(),
                        tflite::MirrorPadOptions{tflite::MirrorPadMode::REFLECT}));
}

constexpr int64_t kMaxParts = 5;  // of a CONCATENATION that XNNPACK takes

TensorId slice_axis(Lowering& at, TensorId x, size_t dim, int64_t begin, int64_t count) {
  Sizes size = at.shape(x);
  Sizes start(size.size(), 0);
  start[dim] = begin;
  size[dim] = count;
  return at.slice(x, start, size);
}

// The rows `source` of one dimension, which are x's own with some before and after them: a CONCATENATION of x and runs
// of neighbouring rows where these are few.
TensorId take_rows(Lowering& at, TensorId x, size_t dim, const Sizes& source, int64_t before) {
  const int64_t length = at.shape(x)[dim];
  std::vector<TensorId> parts;
  for (size_t i = 0; i < source.size() && static_cast<int64_t>(parts.size()) <= kMaxParts;) {
    if (static_cast<int64_t>(i) == before) {
      parts.push_back(x);
      i += static_cast<size_t>(length);
      continue;
    }
    const size_t end = static_cast<int64_t>(i) < before ? static_cast<size_t>(before) : source.size();
    size_t next = i + 1;
    while (next < end && source[next] == source[next - 1] + 1) ++next;
    parts.push_back(slice_axis(at, x, dim, source[i], static_cast<int64_t>(next - i)));
    i = next;
  }
  if (static_cast<int64_t>(parts.size()) <= kMaxParts) return at.concatenate(parts, static_cast<int64_t>(dim));
  return at.gather(x, source, static_cast<int64_t>(dim));
}

void copy_padding(Lowering& at, const char* name, bool circular) {
  TensorId x = at.input("self");
  Padding padding = read_padding(at, name, at.shape(x).size());
  x = crop(at, x, padding);
  for (size_t dim = 0; dim < padding.before.size(); ++dim) {
    if (padding.before[dim] == 0 && padding.after[dim] == 0) continue;
    const int64_t length = at.shape(x)[dim];
    Sizes source;
    for (int64_t i = -padding.before[dim]; i < length + padding.after[dim]; ++i) {
      source.push_back(circular ? (i + length) % length : std::clamp<int64_t>(i, 0, length - 1));
    }
    x = take_rows(at, x, dim, source, padding.before[dim]);
  }
  at.set_output(x);
}

void lower_pad(Lowering& at) {
  const std::string& mode = at.node().arg("mode").as_string();
  if (mode == "constant") return constant(at, at.has("value") ? at.number("value") : 0);
  if (mode == "reflect") return reflect(at, "pad");
  if (mode == "replicate") return copy_padding(at, "pad", false);
  if (mode == "circular") return copy_padding(at, "pad", true);
  at.refuse("padding mode '" + mode + "'");
}

void lower_constant_pad(Lowering& at) { constant(at, at.number("value")); }
void lower_reflection_pad(Lowering& at) { reflect(at, "padding"); }
void lower_replication_pad(Lowering& at) { copy_padding(at, "padding", false); }

}  // namespace

void register_padding(Registry& registry) {
  registry.add({"pad.default"}, lower_pad);
  registry.add({"constant_pad_nd.default"}, lower_constant_pad);
  registry.add({"reflection_pad1d.default", "reflection_pad2d.default", "reflection_pad3d.default"},
               lower_reflection_pad);
  registry.add({"replication_pad1d.default", "replication_pad2d.default", "replication_pad3d.default"},
               lower_replication_pad);
}

}  // namespace tinyml::lowering
