// Small graphs as capture makes them, built by hand.
#pragma once

#include <string>
#include <vector>

#include "tinyml/graph.h"
#include "tinyml/schema.h"

namespace tinyml::testing {

/// Adds modules' operators one after the other, with the metadata that capture gives them.
class GraphBuilder {
 public:
  Graph graph;

  ValueId input(const std::string& name, std::vector<int64_t> sizes) {
    return graph.add_input(name, float_type(std::move(sizes)));
  }
  void output(ValueId value) { graph.add_output({value, OutputKind::kUser, ""}); }

  /// One operator in a module: `type` is a class of torch.nn, "" for a functional call in the root.
  ValueId call(const std::string& op, std::vector<NamedArgument> args, std::vector<int64_t> sizes,
               const std::string& path = "", const std::string& type = "") {
    const ValueId value = graph.add_operator(op, make_args(op, std::move(args)), float_type(std::move(sizes)));
    auto& stack = graph.metadata(graph.value(value).producer).module_stack;
    stack.push_back({"L__self__", "", "user.Model"});
    if (!type.empty()) stack.push_back({"L__self___" + path + "@" + std::to_string(calls_++), path, type});
    return value;
  }

  ValueId conv(ValueId x, const std::string& path, int64_t out, int64_t kernel = 3, bool bias = false) {
    const std::vector<int64_t> sizes = graph.tensor_type(x).sizes();
    const ValueId weight = parameter(path + ".weight", {out, sizes[1], kernel, kernel});
    std::vector<NamedArgument> args = {
        {"input", x}, {"weight", weight}, {"padding", Argument::ints({kernel / 2, kernel / 2})}};
    if (bias) args.push_back({"bias", parameter(path + ".bias", {out})});
    return call("aten.conv2d.default", std::move(args), {sizes[0], out, sizes[2], sizes[3]}, path,
                "torch.nn.modules.conv.Conv2d");
  }

  ValueId batch_norm(ValueId x, const std::string& path) {
    const std::vector<int64_t> sizes = graph.tensor_type(x).sizes();
    const ValueId weight = parameter(path + ".weight", {sizes[1]}, 0.5);
    const ValueId bias = parameter(path + ".bias", {sizes[1]});
    const ValueId mean = buffer(path + ".running_mean", {sizes[1]});
    const ValueId variance = buffer(path + ".running_var", {sizes[1]}, 0.75);
    return call("aten.batch_norm.default",
                {{"input", x},
                 {"weight", weight},
                 {"bias", bias},
                 {"running_mean", mean},
                 {"running_var", variance},
                 {"training", false},
                 {"momentum", 0.1},
                 {"eps", 1e-5},
                 {"cudnn_enabled", true}},
                sizes, path, "torch.nn.modules.batchnorm.BatchNorm2d");
  }

  ValueId relu(ValueId x) { return unary("aten.relu.default", x); }
  ValueId unary(const std::string& op, ValueId x) { return call(op, {{"self", x}}, graph.tensor_type(x).sizes()); }
  ValueId add(ValueId a, ValueId b) {
    return call("aten.add.Tensor", {{"self", a}, {"other", b}}, graph.tensor_type(a).sizes());
  }
  ValueId cat(const std::vector<ValueId>& values) {
    std::vector<int64_t> sizes = graph.tensor_type(values[0]).sizes();
    sizes[1] = 0;
    Argument::List list;
    for (const ValueId value : values) {
      sizes[1] += graph.tensor_type(value).sizes()[1];
      list.emplace_back(value);
    }
    return call("aten.cat.default", {{"tensors", list}, {"dim", 1}}, sizes);
  }
  ValueId max_pool(ValueId x) { return pool("aten.max_pool2d.default", x); }
  ValueId average_pool(ValueId x) { return pool("aten.avg_pool2d.default", x); }

  ValueId parameter(const std::string& fqn, std::vector<int64_t> sizes, double start = -0.4) {
    return graph.add_binding(BindingKind::kParameter, fqn, ramp(std::move(sizes), start));
  }
  ValueId buffer(const std::string& fqn, std::vector<int64_t> sizes, double start = -0.1) {
    return graph.add_binding(BindingKind::kBuffer, fqn, ramp(std::move(sizes), start));
  }

 private:
  static TensorType float_type(std::vector<int64_t> sizes) { return TensorType::of(ScalarType::kFloat32, sizes); }
  static Tensor ramp(std::vector<int64_t> sizes, double start) {
    Tensor tensor(ScalarType::kFloat32, std::move(sizes));
    float* data = tensor.mutable_data<float>();
    for (int64_t i = 0; i < tensor.numel(); ++i)
      data[i] = static_cast<float>(start + 0.07 * static_cast<double>(i % 13));
    return tensor;
  }
  ValueId pool(const std::string& op, ValueId x) {
    std::vector<int64_t> sizes = graph.tensor_type(x).sizes();
    sizes[2] /= 2;
    sizes[3] /= 2;
    return call(op, {{"self", x}, {"kernel_size", Argument::ints({2, 2})}, {"stride", Argument::ints({2, 2})}}, sizes);
  }

  int calls_ = 0;
};

}  // namespace tinyml::testing
