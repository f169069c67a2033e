#include "prune/update_arguments.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <string>
#include <unordered_map>

namespace tinyml::prune {
namespace {

struct Update {
  Graph& graph;
  NodeId id;
  const KeptShapes& shapes;

  const Node& node() const { return graph.node(id); }
  ValueId input(size_t index = 0) const { return node().args[index].value.as_value(); }
  std::vector<int64_t> before(ValueId value) const { return shapes.graph().tensor_type(value).sizes(); }
  std::vector<int64_t> after(ValueId value) const { return shapes.sizes(value); }
  int64_t dim(std::string_view name, ValueId value) const {
    const int64_t dim = node().arg(name).as_int();
    return dim < 0 ? dim + static_cast<int64_t>(before(value).size()) : dim;
  }
  void set(std::string_view name, Argument argument) const {
    const size_t index = node().arg_index(name);
    if (node().args[index].value != argument) graph.set_arg(id, index, std::move(argument));
  }
  /// Numbers in a list argument become the sizes of the output's dimensions from `first`; -1 and symbols stay.
  void set_sizes(std::string_view name, int64_t first = 0) const {
    const std::vector<int64_t> sizes = after(node().outputs[0]);
    Argument::List list = node().arg(name).as_list();
    for (size_t i = 0; i < list.size(); ++i) {
      if (list[i].is_int() && list[i].as_int() >= 0) list[i] = sizes[static_cast<size_t>(first) + i];
    }
    set(name, std::move(list));
  }
};

using Updater = std::function<void(const Update&)>;

void update_size(const Update& u) { u.set_sizes("size"); }
void update_shape(const Update& u) { u.set_sizes("shape"); }
void update_unflatten(const Update& u) { u.set_sizes("sizes", u.dim("dim", u.input())); }

/// What has more than one channel may have one now: only the dimensions that went before may go.
void update_squeeze(const Update& u) {
  const std::vector<int64_t> sizes = u.before(u.input());
  std::vector<int64_t> dims;
  for (size_t i = 0; i < sizes.size(); ++i) {
    if (sizes[i] == 1) dims.push_back(static_cast<int64_t>(i));
  }
  if (u.before(u.input()) == u.after(u.input())) return;
  const NamedArgument self = u.node().args[0];
  u.graph.set_op(u.id, "aten.squeeze.dims", {self, {"dim", Argument::ints(dims)}});
}

/// split(size) and chunk(n) make equal pieces but for the last; other sizes are spelled out.
void update_split(const Update& u) {
  const int64_t dim = u.dim("dim", u.input());
  std::vector<int64_t> sizes;
  for (ValueId output : u.node().outputs) sizes.push_back(u.after(output)[static_cast<size_t>(dim)]);
  const bool is_chunk = u.node().op.find("chunk") != std::string::npos;
  int64_t total = 0;
  bool regular = true;
  for (size_t i = 0; i < sizes.size(); ++i) {
    total += sizes[i];
    regular = regular && (i + 1 == sizes.size() ? sizes[i] > 0 && sizes[i] <= sizes[0] : sizes[i] == sizes[0]);
  }
  if (is_chunk) {
    const int64_t chunks = u.node().arg("chunks").as_int();
    regular = regular && (total + chunks - 1) / chunks == sizes[0];
  }
  if (regular) {
    if (!is_chunk) u.set("split_size", sizes[0]);
    return;
  }
  const NamedArgument self = u.node().args[0];
  u.graph.set_op(u.id, "aten.split_with_sizes.default", {self, {"split_sizes", Argument::ints(sizes)}, {"dim", dim}});
}

/// tensor_split makes pieces by a rule of its own, or at written places: sizes are spelled out.
void update_tensor_split(const Update& u) {
  if (u.before(u.input()) == u.after(u.input())) return;
  const int64_t dim = u.dim("dim", u.input());
  std::vector<int64_t> sizes;
  for (ValueId output : u.node().outputs) sizes.push_back(u.after(output)[static_cast<size_t>(dim)]);
  const NamedArgument self = u.node().args[0];
  u.graph.set_op(u.id, "aten.split_with_sizes.default", {self, {"split_sizes", Argument::ints(sizes)}, {"dim", dim}});
}

void update_split_sizes(const Update& u) {
  const int64_t dim = u.dim("dim", u.input());
  std::vector<int64_t> sizes;
  for (ValueId output : u.node().outputs) sizes.push_back(u.after(output)[static_cast<size_t>(dim)]);
  u.set(u.node().has_arg("split_sizes") ? "split_sizes" : "split_size", Argument::ints(sizes));
}

void update_slice(const Update& u) {
  const int64_t dim = u.dim("dim", u.input());
  const int64_t size = u.before(u.input())[static_cast<size_t>(dim)];
  if (u.after(u.input())[static_cast<size_t>(dim)] == size) return;
  // Runs of `step` from its multiples go as a whole; only the one that the dimension's end cuts off is shorter.
  const int64_t step = u.node().arg("step").as_int();
  const Argument &begin = u.node().arg("start"), &end = u.node().arg("end");
  const auto wrap = [size](int64_t index) { return std::clamp<int64_t>(index < 0 ? index + size : index, 0, size); };
  const int64_t start = begin.is_int() ? wrap(begin.as_int()) : 0;
  const int64_t first_run = start - start % step;
  const int64_t count = u.before(u.node().outputs[0])[static_cast<size_t>(dim)];
  const bool has_end = end.is_int() && end.as_int() < size;
  if (begin.is_int() && begin.as_int() < size) {
    u.set("start",
          u.shapes.count_before(u.input(), dim, count > 1 ? first_run : start) + (count > 1 ? start % step : 0));
  }
  if (has_end)
    u.set("end", u.shapes.count_before(u.input(), dim, count > 1 ? first_run + count * step : start + count));
}

/// What is written has as many channels as it takes the place of.
void update_slice_scatter(const Update& u) {
  const int64_t dim = u.dim("dim", u.input());
  const int64_t size = u.before(u.input())[static_cast<size_t>(dim)];
  if (u.after(u.input())[static_cast<size_t>(dim)] == size) return;
  const auto place = [&](std::string_view name, int64_t otherwise) {
    const Argument& given = u.node().arg(name);
    const int64_t index = given.is_int() ? given.as_int() : otherwise;
    return std::clamp<int64_t>(index < 0 ? index + size : index, 0, size);
  };
  const int64_t start = u.shapes.count_before(u.input(), dim, place("start", 0));
  const int64_t end = u.shapes.count_before(u.input(), dim, place("end", size));
  u.set("start", start);
  u.set("end", end);
}

void update_narrow(const Update& u) {
  const int64_t dim = u.dim("dim", u.input());
  const int64_t size = u.before(u.input())[static_cast<size_t>(dim)];
  if (!u.node().arg("start").is_int() || u.after(u.input())[static_cast<size_t>(dim)] == size) return;
  const int64_t start = u.node().arg("start").as_int();
  u.set("start", u.shapes.count_before(u.input(), dim, start < 0 ? start + size : start));
  u.set("length", u.after(u.node().outputs[0])[static_cast<size_t>(dim)]);
}

void update_select(const Update& u) {
  const int64_t dim = u.dim("dim", u.input());
  const int64_t size = u.before(u.input())[static_cast<size_t>(dim)];
  if (!u.node().arg("index").is_int() || u.after(u.input())[static_cast<size_t>(dim)] == size) return;
  const int64_t index = u.node().arg("index").as_int();
  u.set("index", u.shapes.count_before(u.input(), dim, index < 0 ? index + size : index));
}

/// Indices that the model holds follow what they look up; those of removed channels are cut from them afterwards.
void update_indices(const Update& u, int64_t dim, ValueId index) {
  const std::vector<bool> alive = u.shapes.alive(u.input(), dim);
  if (std::find(alive.begin(), alive.end(), false) == alive.end()) return;
  std::vector<int64_t> renumbered(alive.size() + 1, 0);
  for (size_t i = 0; i < alive.size(); ++i) renumbered[i + 1] = renumbered[i] + (alive[i] ? 1 : 0);
  const Tensor before = u.graph.binding_of(index)->data;
  Tensor data(ScalarType::kInt64, before.shape());
  int64_t* out = data.mutable_data<int64_t>();
  for (const int64_t each : before.to(ScalarType::kInt64).data<int64_t>()) {
    *out++ = renumbered[static_cast<size_t>(each < 0 ? each + static_cast<int64_t>(alive.size()) : each)];
  }
  u.graph.set_binding_data(index, data.to(before.type()));
}

void update_index(const Update& u) {
  const std::vector<ValueId> indices = u.node().arg("indices").as_values();
  for (size_t dim = 0; dim < indices.size(); ++dim) {
    if (indices[dim] == kNoValue || u.graph.binding_of(indices[dim]) == nullptr) continue;
    update_indices(u, static_cast<int64_t>(dim), indices[dim]);
  }
}

void update_index_select(const Update& u) {
  const ValueId index = u.node().arg("index").as_value();
  if (u.graph.binding_of(index) != nullptr) update_indices(u, u.dim("dim", u.input()), index);
}

/// Input channels are groups times the weight's second dimension (output channels, if transposed).
void update_groups(const Update& u) {
  if (u.node().arg("groups").as_int() == 1) return;
  const bool transposed = u.node().op.find("transpose") != std::string::npos ||
                          (u.node().has_arg("transposed") && u.node().arg("transposed").as_bool());
  const std::vector<int64_t> weight = u.after(u.input(1));
  const std::vector<int64_t> channels = u.after(transposed ? u.node().outputs[0] : u.input());
  const size_t dim = channels.size() - (weight.size() - 2) - 1;
  u.set("groups", channels[dim] / weight[1]);
}

void update_group_norm(const Update& u) {
  const int64_t per_group = u.before(u.input())[1] / u.node().arg("num_groups").as_int();
  u.set("num_groups", u.after(u.input())[1] / per_group);
}

/// The scale is one over the root of the vectors' size before the cut.
void update_attention(const Update& u) {
  const int64_t before = u.before(u.input()).back();
  if (u.after(u.input()).back() == before || !u.node().arg("scale").is_none()) return;
  u.set("scale", 1.0 / std::sqrt(static_cast<double>(before)));
}

void update_pad(const Update& u) {
  const ValueId output = u.node().outputs[0];
  std::vector<int64_t> pads = u.node().arg("pad").as_ints();
  const std::vector<int64_t> sizes = u.before(output);
  const std::vector<int64_t> new_sizes = u.after(output);
  for (size_t i = 0; i < pads.size() / 2; ++i) {
    const size_t dim = sizes.size() - 1 - i;
    if (sizes[dim] == new_sizes[dim]) continue;
    const int64_t first_after = sizes[dim] - pads[2 * i + 1];
    pads[2 * i] = u.shapes.count_before(output, static_cast<int64_t>(dim), pads[2 * i]);
    pads[2 * i + 1] = new_sizes[dim] - u.shapes.count_before(output, static_cast<int64_t>(dim), first_after);
  }
  u.set("pad", Argument::ints(pads));
}

const std::unordered_map<std::string, Updater>& updaters() {
  static const std::unordered_map<std::string, Updater> table = {
      {"aten.view.default", update_size},
      {"aten._unsafe_view.default", update_size},
      {"aten.reshape.default", update_shape},
      {"aten.unflatten.int", update_unflatten},
      {"aten.expand.default", update_size},
      {"aten.broadcast_to.default", update_size},
      {"aten.zeros.default", update_size},
      {"aten.ones.default", update_size},
      {"aten.full.default", update_size},
      {"aten.new_zeros.default", update_size},
      {"aten.new_ones.default", update_size},
      {"aten.new_full.default", update_size},
      {"aten.squeeze.default", update_squeeze},
      {"aten.split.Tensor", update_split},
      {"aten.chunk.default", update_split},
      {"aten.unsafe_split.Tensor", update_split},
      {"aten.unsafe_chunk.default", update_split},
      {"aten.unsafe_split_with_sizes.default", update_split_sizes},
      {"aten.tensor_split.sections", update_tensor_split},
      {"aten.tensor_split.indices", update_tensor_split},
      {"aten.slice_scatter.default", update_slice_scatter},
      {"aten.split_with_sizes.default", update_split_sizes},
      {"aten.split.sizes", update_split_sizes},
      {"aten.slice.Tensor", update_slice},
      {"aten.narrow.default", update_narrow},
      {"aten.select.int", update_select},
      {"aten.index.Tensor", update_index},
      {"aten.index_select.default", update_index_select},
      {"aten.conv1d.default", update_groups},
      {"aten.conv2d.default", update_groups},
      {"aten.conv3d.default", update_groups},
      {"aten.conv1d.padding", update_groups},
      {"aten.conv2d.padding", update_groups},
      {"aten.conv3d.padding", update_groups},
      {"aten.convolution.default", update_groups},
      {"aten.conv_transpose1d.default", update_groups},
      {"aten.conv_transpose2d.input", update_groups},
      {"aten.conv_transpose3d.input", update_groups},
      {"aten.group_norm.default", update_group_norm},
      {"aten.scaled_dot_product_attention.default", update_attention},
      {"aten.pad.default", update_pad},
      {"aten.constant_pad_nd.default", update_pad},
  };
  return table;
}

}  // namespace

void update_arguments(Graph& graph, NodeId id, const KeptShapes& shapes) {
  const auto updater = updaters().find(graph.node(id).op);
  if (updater != updaters().end()) updater->second({graph, id, shapes});
}

}  // namespace tinyml::prune
