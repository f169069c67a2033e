// Views in axis terms: what is merged and what is split, so that the text does not depend on sizes it need not name.
#include "codegen/node_text.h"

namespace tinyml::codegen {
namespace {

/// Input axes [in_begin, in_end) become output axes [out_begin, out_end).
struct AxisGroup {
  size_t in_begin, in_end, out_begin, out_end;

  size_t in_count() const { return in_end - in_begin; }
  size_t out_count() const { return out_end - out_begin; }
  bool is_kept() const { return in_count() == 1 && out_count() == 1; }
};

/// The finest decomposition that matches axes from the left; empty when the sizes do not decompose.
std::vector<AxisGroup> decompose(const Shape& in, const Shape& out) {
  std::vector<AxisGroup> groups;
  size_t i = 0;
  size_t j = 0;
  while (i < in.size() && j < out.size()) {
    AxisGroup group{i, i + 1, j, j + 1};
    if (in[i] == out[j]) {
      ++i, ++j;
    } else {
      // Symbolic sizes match only themselves, so products are of numbers.
      if (!in[i].is_static() || !out[j].is_static()) return {};
      int64_t left = in[i++].hint();
      int64_t right = out[j++].hint();
      while (left != right) {
        if (left < right) {
          if (i == in.size() || !in[i].is_static()) return {};
          left *= in[i++].hint();
        } else {
          if (j == out.size() || !out[j].is_static()) return {};
          right *= out[j++].hint();
        }
      }
      group.in_end = i;
      group.out_end = j;
    }
    groups.push_back(group);
  }
  if (groups.empty()) return {};
  // What is left are ones: they belong to the last group.
  for (; i < in.size(); ++i) {
    if (!in[i].is_static() || in[i].hint() != 1) return {};
    groups.back().in_end = i + 1;
  }
  for (; j < out.size(); ++j) {
    if (!out[j].is_static() || out[j].hint() != 1) return {};
    groups.back().out_end = j + 1;
  }
  return groups;
}

std::string flatten_text(const std::string& self, const AxisGroup& group, size_t rank) {
  std::string text = self + ".flatten(";
  const bool to_end = group.in_end == rank;
  if (group.in_begin > 0 || !to_end) text += std::to_string(group.in_begin);
  if (!to_end) text += ", " + std::to_string(group.in_end - 1);
  return text + ")";
}

/// The largest size is left for the call to find, so that the others say what is meant.
std::vector<std::string> sizes_with_one_open(const Shape& shape, size_t begin, size_t end) {
  size_t open = begin;
  for (size_t j = begin; j < end; ++j) {
    if (shape[j].hint() >= shape[open].hint()) open = j;
  }
  std::vector<std::string> sizes;
  for (size_t j = begin; j < end; ++j) sizes.push_back(j == open ? "-1" : std::to_string(shape[j].hint()));
  return sizes;
}

}  // namespace

std::string reshape_text(const Graph& graph, const Node& node, const ValueText& value_text) {
  const ValueId input = node.arg("self").as_value();
  const std::string self = value_text(input);
  const Shape& in = graph.tensor_type(input).shape;
  const Shape& out = graph.tensor_type(node.output()).shape;
  if (in == out) return self;
  const Argument& sizes = node.arg(node.has_arg("shape") ? "shape" : "size");
  const std::vector<AxisGroup> groups = decompose(in, out);
  if (groups.empty()) return self + ".reshape(" + argument_text(sizes, value_text) + ")";
  const AxisGroup* changed = nullptr;
  size_t changes = 0;
  for (const AxisGroup& group : groups) {
    if (group.is_kept()) continue;
    changed = &group;
    ++changes;
  }
  TINYML_CHECK(changed != nullptr);
  if (changes == 1 && changed->out_count() == 1) return flatten_text(self, *changed, in.size());
  if (changes == 1 && changed->in_count() == 1) {
    const std::vector<std::string> parts = sizes_with_one_open(out, changed->out_begin, changed->out_end);
    return self + ".unflatten(" + std::to_string(changed->in_begin) + ", " + tuple_text(parts) + ")";
  }
  std::vector<std::string> parts;
  for (const AxisGroup& group : groups) {
    if (group.is_kept()) {
      const std::string size = self + ".size(" + std::to_string(group.in_begin) + ")";
      parts.push_back(
          out[group.out_begin].is_static() && out[group.out_begin].hint() == 1 && group.in_begin > 0 ? "1" : size);
    } else if (changes == 1) {
      const std::vector<std::string> open = sizes_with_one_open(out, group.out_begin, group.out_end);
      parts.insert(parts.end(), open.begin(), open.end());
    } else {
      for (size_t j = group.out_begin; j < group.out_end; ++j) parts.push_back(std::to_string(out[j].hint()));
    }
  }
  return self + ".reshape(" + join(parts, ", ") + ")";
}

}  // namespace tinyml::codegen
