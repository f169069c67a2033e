#include "graph/view_inverse.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tinyml/schema.h"

namespace tinyml {
namespace {

[[noreturn]] void refuse(const Node& view, const char* why) {
  throw Error({fmt::format("a tensor is written through a view made by {}: {}", view.op, why), view.module_path(),
               view.source(), "compute the new tensor instead of writing in place, or write into the original tensor"});
}

bool is_any(const std::string& op, std::initializer_list<std::string_view> names) {
  return std::any_of(names.begin(), names.end(), [&](std::string_view name) {
    return op.size() > name.size() && op.compare(0, 5, "aten.") == 0 && op.compare(5, name.size(), name) == 0 &&
           op.size() > 5 + name.size() && op[5 + name.size()] == '.';
  });
}

class ViewWriter {
 public:
  ViewWriter(Graph& graph, const Node& view, size_t output, ValueId base, ValueId written, NodeId before)
      : graph_(graph), view_(view), output_(output), base_(base), written_(written), before_(before) {}

  ValueId run() {
    const TensorType& base = graph_.tensor_type(base_);
    const TensorType& part = graph_.tensor_type(view_.outputs.at(output_));
    const std::string& op = view_.op;
    if (op == "aten.view.dtype" || base.type != part.type)
      refuse(view_, "as another element type it cannot be written");
    if (op == "aten.slice.Tensor") {
      return scatter("aten.slice_scatter.default", {pass("dim"), pass("start"), pass("end"), pass("step")});
    }
    if (op == "aten.select.int") return scatter("aten.select_scatter.default", {pass("dim"), pass("index")});
    if (op == "aten.diagonal.default") {
      return scatter("aten.diagonal_scatter.default", {pass("offset"), pass("dim1"), pass("dim2")});
    }
    if (op == "aten.narrow.default") return narrow(view_.arg("start"), view_.arg("length"));
    if (op == "aten.unbind.int") {
      return scatter("aten.select_scatter.default", {pass("dim"), {"index", static_cast<int64_t>(output_)}});
    }
    if (is_any(op, {"split", "chunk", "split_with_sizes", "tensor_split"})) return write_part();
    if (is_any(op, {"transpose", "swapaxes", "swapdims", "t", "numpy_T", "mT", "permute", "movedim", "adjoint"}))
      return permute();
    if (is_any(op,
               {"view", "reshape", "flatten", "ravel", "unflatten", "squeeze", "unsqueeze", "view_as", "reshape_as"})) {
      return reshape();
    }
    if (!is_any(op, {"as_strided", "real", "imag", "unfold"})) {
      if (base.shape == part.shape) return written_;
      if (count(base) == count(part)) return reshape();  // A broadcast that repeats nothing.
    }
    refuse(view_, "it has no inverse");
  }

 private:
  static int64_t count(const TensorType& type) {
    int64_t elements = 1;
    for (const Dim& size : type.shape) elements *= size.hint();
    return elements;
  }
  NamedArgument pass(const char* name) const { return {name, view_.arg(name)}; }

  ValueId scatter(const char* op, std::vector<NamedArgument> args) {
    args.insert(args.begin(), {{"self", base_}, {"src", written_}});
    return graph_.add_operator(op, make_args(op, std::move(args)), graph_.tensor_type(base_), before_);
  }

  ValueId narrow(const Argument& start, const Argument& length) {
    if (!start.is_int() || !length.is_int()) refuse(view_, "its range is not constant");
    int64_t from = start.as_int();
    const Dim& size = graph_.tensor_type(base_).shape.at(dimension());
    if (from < 0) {
      if (!size.is_static()) refuse(view_, "its range is not constant");
      from += size.hint();
    }
    return write_slice(from, from + length.as_int());
  }

  /// One of several parts along a dimension, which starts where the parts before it end.
  ValueId write_part() {
    const size_t dim = dimension();
    int64_t start = 0;
    for (size_t i = 0; i <= output_; ++i) {
      const Dim& size = graph_.tensor_type(view_.outputs[i]).shape.at(dim);
      if (!size.is_static()) refuse(view_, "the sizes of its parts are not constant");
      if (i == output_) return write_slice(start, start + size.hint());
      start += size.hint();
    }
    refuse(view_, "it has no such part");
  }

  ValueId write_slice(int64_t start, int64_t end) {
    return scatter("aten.slice_scatter.default",
                   {{"dim", static_cast<int64_t>(dimension())}, {"start", start}, {"end", end}});
  }

  size_t dimension() const {
    const auto rank = static_cast<int64_t>(graph_.tensor_type(base_).shape.size());
    const int64_t dim = view_.arg("dim").as_int();
    return static_cast<size_t>(dim < 0 ? dim + rank : dim);
  }

  /// Dimension i of the view is dimension order[i] of the base.
  std::vector<int64_t> order() const {
    const auto rank = static_cast<int64_t>(graph_.tensor_type(base_).shape.size());
    const auto wrap = [&](int64_t dim) { return dim < 0 ? dim + rank : dim; };
    std::vector<int64_t> order(static_cast<size_t>(rank));
    for (int64_t i = 0; i < rank; ++i) order[static_cast<size_t>(i)] = i;
    if (is_any(view_.op, {"permute"})) {
      order = view_.arg("dims").as_ints();
      for (int64_t& dim : order) dim = wrap(dim);
    } else if (is_any(view_.op, {"numpy_T", "t"})) {
      std::reverse(order.begin(), order.end());
    } else if (is_any(view_.op, {"mT", "adjoint"})) {
      std::swap(order.at(order.size() - 2), order.back());
    } else if (is_any(view_.op, {"movedim"})) {
      move_dimensions(order, wrap);
    } else {
      std::swap(order.at(static_cast<size_t>(wrap(view_.args.at(1).value.as_int()))),
                order.at(static_cast<size_t>(wrap(view_.args.at(2).value.as_int()))));
    }
    return order;
  }

  template <typename Wrap>
  void move_dimensions(std::vector<int64_t>& order, Wrap wrap) const {
    const auto list = [&](const Argument& argument) {
      std::vector<int64_t> dims = argument.is_list() ? argument.as_ints() : std::vector<int64_t>{argument.as_int()};
      for (int64_t& dim : dims) dim = wrap(dim);
      return dims;
    };
    const std::vector<int64_t> sources = list(view_.arg("source"));
    const std::vector<int64_t> targets = list(view_.arg("destination"));
    std::vector<int64_t> rest;
    for (int64_t dim : order) {
      if (std::find(sources.begin(), sources.end(), dim) == sources.end()) rest.push_back(dim);
    }
    auto next = rest.begin();
    for (size_t i = 0; i < order.size(); ++i) {
      const auto target = std::find(targets.begin(), targets.end(), static_cast<int64_t>(i));
      order[i] = target == targets.end() ? *next++ : sources[static_cast<size_t>(target - targets.begin())];
    }
  }

  ValueId permute() {
    const std::vector<int64_t> order = this->order();
    std::vector<int64_t> inverse(order.size());
    for (size_t i = 0; i < order.size(); ++i) inverse.at(static_cast<size_t>(order[i])) = static_cast<int64_t>(i);
    return graph_.add_operator(
        "aten.permute.default",
        make_args("aten.permute.default", {{"self", written_}, {"dims", Argument::ints(inverse)}}),
        graph_.tensor_type(base_), before_);
  }

  ValueId reshape() {
    const TensorType base = graph_.tensor_type(base_);
    const auto dynamic =
        std::count_if(base.shape.begin(), base.shape.end(), [](const Dim& size) { return !size.is_static(); });
    Argument::List sizes;
    for (size_t i = 0; i < base.shape.size(); ++i) {
      if (base.shape[i].is_static()) {
        sizes.push_back(base.shape[i].hint());
      } else {
        sizes.push_back(dynamic == 1 ? Argument(-1) : Argument(size_of_base(i)));
      }
    }
    return graph_.add_operator("aten.reshape.default",
                               make_args("aten.reshape.default", {{"self", written_}, {"shape", sizes}}), base,
                               before_);
  }

  /// A dynamic size of the base as a value.
  ValueId size_of_base(size_t dim) {
    Value value;
    value.name = "sym_size_int";
    value.kind = ValueKind::kSymInt;
    value.symbol = graph_.tensor_type(base_).shape[dim];
    Node node;
    node.op = "aten.sym_size.int";
    node.args = make_args(node.op, {{"self", base_}, {"dim", static_cast<int64_t>(dim)}});
    node.outputs = {graph_.add_value(std::move(value))};
    const ValueId size = node.outputs[0];
    graph_.add_node(std::move(node), before_);
    return size;
  }

  Graph& graph_;
  const Node& view_;
  size_t output_;
  ValueId base_;
  ValueId written_;
  NodeId before_;
};

}  // namespace

ValueId write_through_view(Graph& graph, const Node& view, size_t output, ValueId base, ValueId written,
                           NodeId before) {
  return ViewWriter(graph, view, output, base, written, before).run();
}

}  // namespace tinyml
