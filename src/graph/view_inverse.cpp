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
    const Dim& size = graph_.tensor_type(base_).shape[dimension()];
    if (from < 0) {
      if (!size.is_static()) refuse(view_, "its range is not constant");
      from += size.hint();
    }
    int64_t end = 0;
    if (__builtin_add_overflow(from, length.as_int(), &end)) refuse(view_, "its range is not valid");
    return write_slice(from, end);
  }

  /// One of several parts along a dimension, which starts where the parts before it end.
  ValueId write_part() {
    const size_t dim = dimension();
    int64_t start = 0;
    for (size_t i = 0; i <= output_ && view_.outputs[i] != kNoValue; ++i) {
      const Shape& part = graph_.tensor_type(view_.outputs[i]).shape;
      if (dim >= part.size() || !part[dim].is_static()) refuse(view_, "the sizes of its parts are not constant");
      int64_t end = 0;
      if (__builtin_add_overflow(start, part[dim].hint(), &end)) refuse(view_, "its parts are too large");
      if (i == output_) return write_slice(start, end);
      start = end;
    }
    refuse(view_, "it has no such part");
  }

  ValueId write_slice(int64_t start, int64_t end) {
    return scatter("aten.slice_scatter.default",
                   {{"dim", static_cast<int64_t>(dimension())}, {"start", start}, {"end", end}});
  }

  size_t dimension() const { return wrap(view_.arg("dim").as_int()); }

  /// A dimension of the base, counted from the front.
  size_t wrap(int64_t dim) const {
    const auto rank = static_cast<int64_t>(graph_.tensor_type(base_).shape.size());
    if (dim < -rank || dim >= rank) refuse(view_, "its dimension is out of range");
    return static_cast<size_t>(dim < 0 ? dim + rank : dim);
  }

  /// Dimension i of the view is dimension order[i] of the base.
  std::vector<size_t> order() const {
    const size_t rank = graph_.tensor_type(base_).shape.size();
    std::vector<size_t> order(rank);
    for (size_t i = 0; i < rank; ++i) order[i] = i;
    if (is_any(view_.op, {"permute"})) {
      order.clear();
      for (int64_t dim : view_.arg("dims").as_ints()) order.push_back(wrap(dim));
    } else if (is_any(view_.op, {"numpy_T", "t"})) {
      std::reverse(order.begin(), order.end());
    } else if (is_any(view_.op, {"mT", "adjoint"})) {
      std::swap(order[wrap(-2)], order[wrap(-1)]);
    } else if (is_any(view_.op, {"movedim"})) {
      order = moved_order();
    } else {
      std::swap(order[wrap(view_.args[1].value.as_int())], order[wrap(view_.args[2].value.as_int())]);
    }
    return order;
  }

  std::vector<size_t> moved_order() const {
    const auto list = [&](const Argument& argument) {
      std::vector<size_t> dims;
      for (int64_t dim : argument.is_list() ? argument.as_ints() : std::vector<int64_t>{argument.as_int()}) {
        dims.push_back(wrap(dim));
      }
      return dims;
    };
    const std::vector<size_t> sources = list(view_.arg("source"));
    const std::vector<size_t> targets = list(view_.arg("destination"));
    const size_t rank = graph_.tensor_type(base_).shape.size();
    std::vector<size_t> rest;
    for (size_t dim = 0; dim < rank; ++dim) {
      if (std::find(sources.begin(), sources.end(), dim) == sources.end()) rest.push_back(dim);
    }
    if (sources.size() != targets.size() || rest.size() + sources.size() != rank)
      refuse(view_, "its dimensions are not valid");
    std::vector<size_t> order;
    auto next = rest.begin();
    for (size_t i = 0; i < rank; ++i) {
      const auto target = std::find(targets.begin(), targets.end(), i);
      if (target != targets.end()) {
        order.push_back(sources[static_cast<size_t>(target - targets.begin())]);
      } else if (next != rest.end()) {
        order.push_back(*next++);
      }
    }
    return order;
  }

  ValueId permute() {
    const std::vector<size_t> order = this->order();
    std::vector<int64_t> inverse(graph_.tensor_type(base_).shape.size(), -1);
    if (order.size() != inverse.size()) refuse(view_, "its dimensions are not valid");
    for (size_t i = 0; i < order.size(); ++i) inverse[order[i]] = static_cast<int64_t>(i);
    if (std::count(inverse.begin(), inverse.end(), -1) > 0) refuse(view_, "its dimensions are not valid");
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
