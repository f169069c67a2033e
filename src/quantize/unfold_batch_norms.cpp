#include "quantize/unfold_batch_norms.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <set>

#include "graph/node_notes.h"
#include "quantize/module_names.h"
#include "tinyml/schema.h"

namespace tinyml::quantization {
namespace {

constexpr std::string_view kFoldedPrefix = "tinyml.nn.qat_conv.";

struct Classes {
  const char* layer;
  const char* norm;
};

const Classes* classes_of(const std::string& folded) {
  static const std::map<std::string, Classes, std::less<>> classes = {
      {"ConvBn1d", {"torch.nn.modules.conv.Conv1d", "torch.nn.modules.batchnorm.BatchNorm1d"}},
      {"ConvBn2d", {"torch.nn.modules.conv.Conv2d", "torch.nn.modules.batchnorm.BatchNorm2d"}},
      {"ConvBn3d", {"torch.nn.modules.conv.Conv3d", "torch.nn.modules.batchnorm.BatchNorm3d"}},
      {"ConvTransposeBn1d", {"torch.nn.modules.conv.ConvTranspose1d", "torch.nn.modules.batchnorm.BatchNorm1d"}},
      {"ConvTransposeBn2d", {"torch.nn.modules.conv.ConvTranspose2d", "torch.nn.modules.batchnorm.BatchNorm2d"}},
      {"ConvTransposeBn3d", {"torch.nn.modules.conv.ConvTranspose3d", "torch.nn.modules.batchnorm.BatchNorm3d"}},
      {"LinearBn1d", {"torch.nn.modules.linear.Linear", "torch.nn.modules.batchnorm.BatchNorm1d"}},
  };
  if (!folded.starts_with(kFoldedPrefix)) return nullptr;
  const auto found = classes.find(folded.substr(kFoldedPrefix.size()));
  return found == classes.end() ? nullptr : &found->second;
}

/// A layer's own tensors, kNoValue where it has none.
struct Fold {
  ValueId weight = kNoValue, bias = kNoValue, gamma = kNoValue, beta = kNoValue, mean = kNoValue, variance = kNoValue;
  double eps = 0;
};

bool is_number(const std::string& name) {
  return !name.empty() && name.find_first_not_of("0123456789") == std::string::npos;
}

class Unfolder {
 public:
  Unfolder(Graph& graph, const std::map<std::string, double>& momentum, const std::map<std::string, std::string>& norms)
      : graph_(graph), momentum_(momentum), norms_(norms) {
    for (const NodeId id : graph_.nodes()) {
      for (const ModuleCall& call : graph_.node(id).metadata.module_stack) taken_.insert(call.path);
      if (is_layer(id)) layers_at_[graph_.node(id).module_path()].push_back(id);
    }
    for (const Binding& binding : graph_.bindings()) {
      for (size_t dot = binding.fqn.find('.'); dot != std::string::npos; dot = binding.fqn.find('.', dot + 1)) {
        taken_.insert(binding.fqn.substr(0, dot));
      }
      taken_.insert(binding.fqn);
    }
  }

  void run() {
    for (const auto& [path, layers] : layers_at_) unfold_all(path, layers);
    graph_.erase_dead_nodes();
  }

 private:
  /// All calls of a layer, or none.
  void unfold_all(const std::string& path, const std::vector<NodeId>& layers) {
    std::vector<Fold> folds;
    for (const NodeId id : layers) {
      const std::optional<Fold> fold = find_fold(graph_.node(id));
      if (!fold) return;
      folds.push_back(*fold);
    }
    const std::string norm_path = free_path(graph_.node(layers[0]));
    for (size_t i = 0; i < layers.size(); ++i) unfold(layers[i], folds[i], norm_path);
    rename_tensors(path + ".bn.", norm_path + ".");
  }

  bool is_layer(NodeId id) const {
    const Node& node = graph_.node(id);
    const auto& stack = node.metadata.module_stack;
    return !stack.empty() && classes_of(stack.back().type) != nullptr && node.has_arg("weight") &&
           node.has_arg("bias") && node.has_arg("input");
  }

  const Node* producer(const Argument& argument, std::string_view op) const {
    if (!argument.is_value()) return nullptr;
    const NodeId id = graph_.value(argument.as_value()).producer;
    return id != kNoNode && graph_.node(id).op == op ? &graph_.node(id) : nullptr;
  }
  bool is(const Argument& argument, ValueId value) const { return argument.is_value() && argument.as_value() == value; }
  ValueId own(const std::string& path, std::string_view name) const {
    const Binding* binding = graph_.find_binding(fmt::format("{}.{}", path, name));
    return binding == nullptr ? kNoValue : binding->value;
  }

  /// The fold's tensors, if the layer's weight and bias are computed from them as fuse() and FoldedBatchNorm do.
  std::optional<Fold> find_fold(const Node& layer) const {
    const std::string& path = layer.module_path();
    Fold fold{own(path, "weight"),          own(path, "bias"),          own(path, "bn.weight"), own(path, "bn.bias"),
              own(path, "bn.running_mean"), own(path, "bn.running_var")};
    if (fold.weight == kNoValue || fold.mean == kNoValue || fold.variance == kNoValue) return std::nullopt;
    if ((fold.gamma == kNoValue) != (fold.beta == kNoValue)) return std::nullopt;
    const Node* weight = producer(layer.arg("weight"), "aten.mul.Tensor");
    if (weight == nullptr || !is(weight->arg("self"), fold.weight)) return std::nullopt;
    const Node* row = producer(weight->arg("other"), "aten.reshape.default");
    if (row == nullptr) row = producer(weight->arg("other"), "aten.view.default");
    if (row == nullptr || !row->arg("self").is_value()) return std::nullopt;
    const Argument factor = row->arg("self");
    const Node* inverse = nullptr;
    if (fold.gamma == kNoValue) {
      inverse = producer(factor, "aten.rsqrt.default");
    } else if (const Node* scaled = producer(factor, "aten.mul.Tensor");
               scaled != nullptr && is(scaled->arg("self"), fold.gamma)) {
      inverse = producer(scaled->arg("other"), "aten.rsqrt.default");
    }
    const Node* shifted = inverse == nullptr ? nullptr : producer(inverse->arg("self"), "aten.add.Tensor");
    if (shifted == nullptr || !is(shifted->arg("self"), fold.variance) || !shifted->arg("other").is_number()) {
      return std::nullopt;
    }
    fold.eps = shifted->arg("other").as_double();
    return folds_bias(layer, fold, factor.as_value()) ? std::optional(fold) : std::nullopt;
  }

  bool folds_bias(const Node& layer, const Fold& fold, ValueId factor) const {
    Argument bias = layer.arg("bias");
    if (fold.beta != kNoValue) {
      const Node* sum = producer(bias, "aten.add.Tensor");
      if (sum == nullptr || !is(sum->arg("self"), fold.beta) || sum->arg("alpha").as_double() != 1.0) return false;
      bias = sum->arg("other");
    }
    const Node* product = producer(bias, "aten.mul.Tensor");
    if (product == nullptr || !is(product->arg("other"), factor)) return false;
    if (fold.bias == kNoValue) {
      const Node* negated = producer(product->arg("self"), "aten.neg.default");
      return negated != nullptr && is(negated->arg("self"), fold.mean);
    }
    const Node* difference = producer(product->arg("self"), "aten.sub.Tensor");
    return difference != nullptr && is(difference->arg("self"), fold.bias) && is(difference->arg("other"), fold.mean);
  }

  void unfold(NodeId id, const Fold& fold, const std::string& norm_path) {
    const Node layer = graph_.node(id);
    const auto tensor = [](ValueId value) { return value == kNoValue ? Argument() : Argument(value); };
    graph_.set_arg(id, layer.arg_index("weight"), fold.weight);
    graph_.set_arg(id, layer.arg_index("bias"), tensor(fold.bias));

    Node norm;
    norm.op = "aten.batch_norm.default";
    norm.args = make_args(norm.op, {{"input", layer.output()},
                                    {"weight", tensor(fold.gamma)},
                                    {"bias", tensor(fold.beta)},
                                    {"running_mean", fold.mean},
                                    {"running_var", fold.variance},
                                    {"training", false},
                                    {"momentum", momentum_of(layer)},
                                    {"eps", fold.eps},
                                    {"cudnn_enabled", true}});
    norm.metadata.module_stack = layer.metadata.module_stack;
    norm.metadata.stack_trace = layer.metadata.stack_trace;
    ModuleCall& call = norm.metadata.module_stack.back();
    call = {call.key + "_norm", norm_path, classes_of(call.type)->norm};
    TensorType type = graph_.tensor_type(layer.output());
    type.strides.clear();
    const ValueId result = graph_.add_value("batch_norm", std::move(type));
    graph_.replace_all_uses(layer.output(), result);
    norm.outputs = {result};
    graph_.add_node(std::move(norm), graph_.next_node(id));

    Metadata& metadata = graph_.metadata(id);
    metadata.module_stack.back().type = classes_of(metadata.module_stack.back().type)->layer;
    metadata.other.erase("tinyml.bn_momentum");
    metadata.other.erase("tinyml.bn_path");
    metadata.other.erase("tinyml.bn_name");
  }

  double momentum_of(const Node& layer) const {
    if (const auto given = momentum_.find(layer.module_path()); given != momentum_.end()) return given->second;
    const std::string* noted = note_of(layer, "tinyml.bn_momentum");
    return noted == nullptr ? 0.1 : std::strtod(noted->c_str(), nullptr);
  }

  /// Where the batch norm goes: see remove_fake_quants().
  std::string free_path(const Node& layer) {
    const std::string& path = layer.module_path();
    const std::string name(last_component(path));
    const std::string parent = path.substr(0, path.size() - name.size());
    std::vector<std::string> wishes;
    if (const auto given = norms_.find(path); given != norms_.end()) wishes.push_back(given->second);
    if (const std::string* noted = note_of(layer, "tinyml.bn_path")) wishes.push_back(*noted);
    if (std::string usual = usual_norm_path(path); !usual.empty()) wishes.push_back(std::move(usual));
    const std::string own = is_number(name) ? fmt::format("{}bn_{}", parent, name) : path + "_bn";
    wishes.push_back(own);
    for (int count = 1;; ++count) {
      for (const std::string& wish : wishes) {
        if (taken_.insert(wish).second) return wish;
      }
      wishes = {fmt::format("{}_{}", own, count)};
    }
  }

  void rename_tensors(const std::string& from, const std::string& to) {
    std::vector<std::pair<ValueId, std::string>> renamed;
    for (const Binding& binding : graph_.bindings()) {
      if (binding.fqn.starts_with(from)) renamed.emplace_back(binding.value, to + binding.fqn.substr(from.size()));
    }
    for (auto& [value, name] : renamed) graph_.rename_binding(value, std::move(name));
  }

  Graph& graph_;
  const std::map<std::string, double>& momentum_;
  const std::map<std::string, std::string>& norms_;
  std::set<std::string> taken_;                           ///< Paths of modules and tensors.
  std::map<std::string, std::vector<NodeId>> layers_at_;  ///< Path -> calls.
};

}  // namespace

std::string usual_norm_path(const std::string& layer_path) {
  const std::string name(last_component(layer_path));
  const std::string parent = layer_path.substr(0, layer_path.size() - name.size());
  if (is_number(name)) return fmt::format("{}{}", parent, std::strtoull(name.c_str(), nullptr, 10) + 1);
  const size_t at = name.find("conv");
  return at == std::string::npos ? "" : parent + name.substr(0, at) + "bn" + name.substr(at + 4);
}

void unfold_batch_norms(Graph& graph, const std::map<std::string, double>& momentum,
                        const std::map<std::string, std::string>& norms) {
  Unfolder(graph, momentum, norms).run();
}

}  // namespace tinyml::quantization
