#include "lower/dynamic/merge_samples.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstring>
#include <set>

#include "lower/dynamic/runtime_operand.h"
#include "tflite/dynamic/size_source.h"

namespace tinyml::lowering {
namespace {

using tflite::kNoTensor;
using tflite::Op;

constexpr const char* kRemedy =
    "keep that dimension constant when the model is captured (leave it out of dynamic_shapes)";

bool equal_options(const tflite::Operator& a, const tflite::Operator& b) {
  return a.op == Op::RESHAPE || a.options == b.options;
}

bool equal_structure(const tflite::Operator& a, const tflite::Operator& b) {
  return a.op == b.op && a.inputs == b.inputs && a.outputs == b.outputs && equal_options(a, b);
}

// "dimension 1 (s27) of 'x'" for every dynamic dimension that a node reads or makes.
std::string dynamic_dimensions(const Graph& graph, const Node& node) {
  std::set<std::string> seen;
  std::vector<std::string> texts;
  const auto look = [&](ValueId id) {
    if (id == kNoValue) return;
    const Value& value = graph.value(id);
    if (value.kind == ValueKind::kSymInt && value.symbol && !value.symbol->is_static()) {
      if (seen.insert(value.symbol->to_string()).second) texts.push_back("the number " + value.symbol->to_string());
    }
    if (value.kind != ValueKind::kTensor) return;
    for (size_t i = 0; i < value.tensor.shape.size(); ++i) {
      const Dim& dim = value.tensor.shape[i];
      if (dim.is_static() || !seen.insert(dim.to_string()).second) continue;
      texts.push_back(fmt::format("dimension {} ({}) of '{}'", i, dim.to_string(), value.name));
    }
  };
  for (const NamedArgument& arg : node.args) arg.value.for_each_value(look);
  for (const ValueId output : node.outputs) look(output);
  return fmt::format("{}", fmt::join(texts, ", "));
}

class Merge {
 public:
  Merge(std::vector<Lowered> samples, std::vector<Diagnostic>& problems)
      : samples_(std::move(samples)), problems_(problems) {}

  tflite::Model run() && {
    for (size_t s = 0; s < samples_[0].model.subgraphs.size(); ++s) {
      if (!same_structure(s)) return {};
    }
    for (size_t s = 0; s < samples_[0].model.subgraphs.size(); ++s) merge(s);
    return std::move(samples_[0].model);
  }

 private:
  void refuse(size_t subgraph, size_t op, const std::string& what) {
    const auto origin = samples_[0].origins.find({subgraph, op});
    if (origin == samples_[0].origins.end()) {
      problems_.push_back({what, "", {}, kRemedy});
      return;
    }
    const Graph& graph = samples_[0].graph;
    const Node& node = graph.node(origin->second);
    problems_.push_back({fmt::format("{}: {}; dynamic here: {}", node.op, what, dynamic_dimensions(graph, node)),
                         node.module_path(), node.source(), kRemedy});
  }

  // Whether all samples have the same operators; the first that differs is refused.
  bool same_structure(size_t s) {
    const auto& first = samples_[0].model.subgraphs[s];
    for (size_t k = 1; k < samples_.size(); ++k) {
      if (samples_[k].model.subgraphs.size() != samples_[0].model.subgraphs.size()) {
        refuse(0, 0, "the operators needed differ from size to size");
        return false;
      }
      const auto& other = samples_[k].model.subgraphs[s];
      const size_t count = std::min(first.operators.size(), other.operators.size());
      for (size_t o = 0; o < count; ++o) {
        if (equal_structure(first.operators[o], other.operators[o])) continue;
        refuse(s, o, "the operators needed for it, or their attributes, differ from size to size");
        return false;
      }
      if (first.operators.size() != other.operators.size() || first.tensors.size() != other.tensors.size()) {
        refuse(s, count == 0 ? 0 : count - 1, "the operators needed differ from size to size");
        return false;
      }
    }
    return true;
  }

  std::vector<Samples> dims_of(size_t s, int id) const {
    std::vector<Samples> dims(
        static_cast<size_t>(samples_[0].model.subgraphs[s].tensors[static_cast<size_t>(id)].rank()));
    for (const Lowered& sample : samples_) {
      const tflite::Shape& shape = sample.model.subgraphs[s].tensors[static_cast<size_t>(id)].shape;
      TINYML_CHECK(shape.size() == dims.size());
      for (size_t i = 0; i < dims.size(); ++i) dims[i].push_back(shape[i]);
    }
    return dims;
  }

  std::vector<tflite::Tensor> tensors_at(size_t s, int id) const {
    std::vector<tflite::Tensor> result;
    for (const Lowered& sample : samples_) {
      result.push_back(sample.model.subgraphs[s].tensors[static_cast<size_t>(id)]);
    }
    return result;
  }

  bool varies(size_t s, int id) const {
    const tflite::Tensor& first = samples_[0].model.subgraphs[s].tensors[static_cast<size_t>(id)];
    return std::any_of(samples_.begin() + 1, samples_.end(), [&](const Lowered& sample) {
      const tflite::Tensor& other = sample.model.subgraphs[s].tensors[static_cast<size_t>(id)];
      return other.shape != first.shape || other.buffer.size() != first.buffer.size() ||
             (!other.buffer.same_storage(first.buffer) &&
              std::memcmp(other.buffer.data(), first.buffer.data(), other.buffer.size()) != 0);
    });
  }

  void merge(size_t s) {
    tflite::Subgraph& subgraph = samples_[0].model.subgraphs[s];
    const auto given = static_cast<int>(subgraph.tensors.size());
    std::vector<bool> varying(static_cast<size_t>(given), false);
    for (int id = 0; id < given; ++id) {
      varying[static_cast<size_t>(id)] = subgraph.tensors[static_cast<size_t>(id)].is_constant() && varies(s, id);
    }
    for (int id = 0; id < given; ++id) {
      if (!subgraph.tensors[static_cast<size_t>(id)].is_constant()) set_signature(s, id);
    }
    SizeSource source(subgraph);
    for (const int id : subgraph.inputs) source.add(id, dims_of(s, id));
    std::vector<tflite::Operator> operators = std::move(subgraph.operators);
    subgraph.operators.clear();
    for (size_t o = 0; o < operators.size(); ++o) {
      tflite::Operator op = std::move(operators[o]);
      // Every RESHAPE gets its shape from its output's signature, see make_reshape_operands.
      if (op.op == Op::RESHAPE) op.inputs.resize(1), op.options = tflite::ReshapeOptions{};
      for (size_t slot = 0; slot < op.inputs.size(); ++slot) {
        const int id = op.inputs[slot];
        if (id == kNoTensor || !varying[static_cast<size_t>(id)]) continue;
        const RuntimeOperand operand{subgraph,
                                     source,
                                     op,
                                     slot,
                                     tensors_at(s, id),
                                     slot == 0 ? std::vector<Samples>{} : dims_of(s, op.inputs[0])};
        const int computed = make_runtime_operand(operand);
        if (computed == kNoTensor) {
          refuse(s, o, fmt::format("{} needs a constant that depends on a dynamic size", to_string(op.op)));
          break;
        }
        op.inputs[slot] = computed;
      }
      const std::vector<int> outputs = op.outputs;
      if (op.channels_first && !is_constant(dims_of(s, outputs[0])[1])) {
        refuse(s, o, fmt::format("{} has a number of channels that is dynamic", to_string(op.op)));
      }
      subgraph.operators.push_back(std::move(op));
      for (const int id : outputs) source.add(id, dims_of(s, id));
    }
    for (const int id : subgraph.outputs) {
      if (id < given && varying[static_cast<size_t>(id)]) {
        problems_.push_back({"an output is a constant whose size is dynamic", "", {}, kRemedy});
      }
    }
  }

  void set_signature(size_t s, int id) {
    tflite::Tensor& tensor = samples_[0].model.subgraphs[s].tensors[static_cast<size_t>(id)];
    tflite::Shape signature = tensor.shape;
    const std::vector<Samples> dims = dims_of(s, id);
    for (size_t i = 0; i < dims.size(); ++i) {
      if (!is_constant(dims[i])) signature[i] = -1;
    }
    if (signature != tensor.shape) tensor.shape_signature = std::move(signature);
  }

  std::vector<Lowered> samples_;
  std::vector<Diagnostic>& problems_;
};

}  // namespace

tflite::Model merge_samples(std::vector<Lowered> samples, std::vector<Diagnostic>& problems) {
  return Merge(std::move(samples), problems).run();
}

}  // namespace tinyml::lowering
