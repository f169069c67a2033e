#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "tinyml/graph.h"
#include "tinyml/schema.h"

namespace tinyml::testing {

/// Builds small graphs by hand: one method for each operator, shapes worked out here, weights random.
class GraphBuilder {
 public:
  Graph graph;

  ValueId input(std::vector<int64_t> sizes) {
    return graph.add_input("x", TensorType::of(ScalarType::kFloat32, sizes));
  }
  void output(ValueId value) { graph.add_output({value, OutputKind::kUser, ""}); }

  std::vector<int64_t> sizes(ValueId value) const { return graph.tensor_type(value).sizes(); }

  ValueId parameter(const std::string& fqn, std::vector<int64_t> sizes) {
    return graph.add_binding(BindingKind::kParameter, fqn, random(sizes, -1.0f, 1.0f));
  }
  ValueId positive(const std::string& fqn, std::vector<int64_t> sizes) {
    return graph.add_binding(BindingKind::kBuffer, fqn, random(sizes, 0.5f, 1.5f));
  }

  /// Any operator with one result; arguments the schema has defaults for may be left out.
  ValueId op(const std::string& name, std::vector<NamedArgument> args, std::vector<int64_t> sizes) {
    return graph.add_operator(name, make_args(name, std::move(args)), TensorType::of(ScalarType::kFloat32, sizes));
  }
  /// An operator with several results.
  std::vector<ValueId> ops(const std::string& name, std::vector<NamedArgument> args,
                           const std::vector<std::vector<int64_t>>& sizes) {
    Node node;
    node.op = name;
    node.args = make_args(name, std::move(args));
    node.returns_list = true;
    for (const auto& each : sizes)
      node.outputs.push_back(graph.add_value("piece", TensorType::of(ScalarType::kFloat32, each)));
    graph.add_node(node);
    return node.outputs;
  }

  ValueId conv(const std::string& name, ValueId x, int64_t channels, int64_t kernel = 3, int64_t groups = 1,
               bool bias = true) {
    std::vector<int64_t> sizes = this->sizes(x);
    const ValueId weight = parameter(name + ".weight", {channels, sizes[1] / groups, kernel, kernel});
    const Argument b = bias ? Argument(parameter(name + ".bias", {channels})) : Argument();
    sizes[1] = channels;
    return op("aten.conv2d.default",
              {{"input", x},
               {"weight", weight},
               {"bias", b},
               {"padding", Argument::ints({kernel / 2, kernel / 2})},
               {"groups", groups}},
              sizes);
  }
  ValueId conv_transpose(const std::string& name, ValueId x, int64_t channels, int64_t groups = 1) {
    std::vector<int64_t> sizes = this->sizes(x);
    const ValueId weight = parameter(name + ".weight", {sizes[1], channels / groups, 2, 2});
    const ValueId bias = parameter(name + ".bias", {channels});
    sizes = {sizes[0], channels, sizes[2] * 2, sizes[3] * 2};
    return op(
        "aten.conv_transpose2d.input",
        {{"input", x}, {"weight", weight}, {"bias", bias}, {"stride", Argument::ints({2, 2})}, {"groups", groups}},
        sizes);
  }
  ValueId batch_norm(const std::string& name, ValueId x) {
    const int64_t channels = sizes(x)[1];
    return op("aten.batch_norm.default",
              {{"input", x},
               {"weight", parameter(name + ".weight", {channels})},
               {"bias", parameter(name + ".bias", {channels})},
               {"running_mean", positive(name + ".running_mean", {channels})},
               {"running_var", positive(name + ".running_var", {channels})},
               {"training", false},
               {"momentum", 0.1},
               {"eps", 1e-5},
               {"cudnn_enabled", true}},
              sizes(x));
  }
  ValueId linear(const std::string& name, ValueId x, int64_t features) {
    std::vector<int64_t> sizes = this->sizes(x);
    const ValueId weight = parameter(name + ".weight", {features, sizes.back()});
    const ValueId bias = parameter(name + ".bias", {features});
    sizes.back() = features;
    return op("aten.linear.default", {{"input", x}, {"weight", weight}, {"bias", bias}}, sizes);
  }
  ValueId unary(const std::string& name, ValueId x) {
    const std::string op_name = "aten." + name + ".default";
    return op(op_name, {{find_schema(op_name)->arguments[0].name, x}}, sizes(x));
  }
  ValueId relu(ValueId x) { return unary("relu", x); }
  ValueId binary(const std::string& name, ValueId a, ValueId b) {
    std::vector<int64_t> result = sizes(a), other = sizes(b);
    if (result.size() < other.size()) std::swap(result, other);
    for (size_t i = 0; i < other.size(); ++i) {
      int64_t& size = result[result.size() - other.size() + i];
      size = size == 1 ? other[i] : size;
    }
    return op("aten." + name + ".Tensor", {{"self", a}, {"other", b}}, result);
  }
  ValueId add(ValueId a, ValueId b) { return binary("add", a, b); }
  ValueId mul(ValueId a, ValueId b) { return binary("mul", a, b); }
  ValueId cat(const std::vector<ValueId>& values, int64_t dim = 1) {
    std::vector<int64_t> result = sizes(values[0]);
    result[static_cast<size_t>(dim)] = 0;
    Argument::List list;
    for (ValueId value : values) {
      list.emplace_back(value);
      result[static_cast<size_t>(dim)] += sizes(value)[static_cast<size_t>(dim)];
    }
    return op("aten.cat.default", {{"tensors", list}, {"dim", dim}}, result);
  }
  ValueId flatten(ValueId x) {
    const std::vector<int64_t> in = sizes(x);
    int64_t rest = 1;
    for (size_t i = 1; i < in.size(); ++i) rest *= in[i];
    return op("aten.flatten.using_ints", {{"self", x}, {"start_dim", 1}}, {in[0], rest});
  }
  ValueId view(ValueId x, const std::vector<int64_t>& result) {
    return op("aten.view.default", {{"self", x}, {"size", Argument::ints(result)}}, result);
  }
  ValueId permute(ValueId x, const std::vector<int64_t>& order) {
    std::vector<int64_t> result;
    for (int64_t dim : order) result.push_back(sizes(x)[static_cast<size_t>(dim)]);
    return op("aten.permute.default", {{"self", x}, {"dims", Argument::ints(order)}}, result);
  }
  ValueId slice(ValueId x, int64_t dim, int64_t start, int64_t end, int64_t step = 1) {
    std::vector<int64_t> result = sizes(x);
    int64_t& size = result[static_cast<size_t>(dim)];
    size = (std::min(end, size) - start + step - 1) / step;
    return op("aten.slice.Tensor", {{"self", x}, {"dim", dim}, {"start", start}, {"end", end}, {"step", step}}, result);
  }
  ValueId global_pool(ValueId x) {
    return op("aten.adaptive_avg_pool2d.default", {{"self", x}, {"output_size", Argument::ints({1, 1})}},
              {sizes(x)[0], sizes(x)[1], 1, 1});
  }

 private:
  Tensor random(const std::vector<int64_t>& sizes, float low, float high) {
    Tensor data(ScalarType::kFloat32, sizes);
    std::uniform_real_distribution<float> uniform(low, high);
    float* out = data.mutable_data<float>();
    for (int64_t i = 0; i < data.numel(); ++i) out[i] = uniform(generator_);
    return data;
  }
  std::mt19937 generator_{7};
};

}  // namespace tinyml::testing
