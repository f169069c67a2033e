#include "explain/measure_layers.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "explain/match_channels.h"
#include "graph/node_notes.h"
#include "tinyml/evaluate.h"

namespace tinyml::explaining {
namespace {

// A copy of the graph that computes what stands in front of every FakeQuant.
struct Variant {
  Graph graph;
  std::vector<ValueId> wanted;    // Its outputs, in order.
  std::vector<size_t> from_file;  // Probes whose values are inputs, behind the graph's own.
};

// Without activation FakeQuants; those that the file holds are replaced by inputs where `local` says so. Weights, and
// values that the file does not show, are rounded where `weights` says so. `more`: other values that are wanted.
Variant make_variant(const Graph& graph, const std::vector<Probe>& probes, bool local, bool weights,
                     const std::vector<ValueId>& more) {
  Variant variant{graph, {}, {}};
  Graph& g = variant.graph;
  std::map<ValueId, ValueId> replaced;
  const auto resolve = [&](ValueId value) {
    for (auto found = replaced.find(value); found != replaced.end(); found = replaced.find(value))
      value = found->second;
    return value;
  };
  std::map<NodeId, size_t> index;
  for (size_t i = 0; i < probes.size(); ++i) index[probes[i].node] = i;
  for (const NodeId id : graph.nodes()) {
    const Node& node = graph.node(id);
    if (!is_fake_quantize(node)) continue;
    const auto probe = index.find(id);
    const bool known = probe != index.end() && probes[probe->second].tensor != tflite::kNoTensor;
    if (!known && weights) continue;  // Weights, and values that the file rounds without showing them.
    const ValueId output = node.output();
    ValueId source = node.arg("self").as_value();
    if (known && local) {
      source = g.add_input(fmt::format("file_{}", probe->second), graph.tensor_type(output));
      variant.from_file.push_back(probe->second);
    }
    replaced[output] = source;
    g.replace_all_uses(output, resolve(source));
  }
  for (const Probe& probe : probes) variant.wanted.push_back(resolve(probe.self));
  for (const ValueId value : more) variant.wanted.push_back(resolve(value));
  std::vector<Output> outputs;
  for (const ValueId value : variant.wanted) outputs.push_back({value, OutputKind::kUser, ""});
  g.set_outputs(std::move(outputs));
  return variant;
}

std::vector<Tensor> run_variant(const Variant& variant, std::vector<Tensor> inputs,
                                const std::vector<std::optional<Tensor>>& from_file) {
  for (const size_t probe : variant.from_file) inputs.push_back(from_file[probe].value());
  return evaluate(variant.graph, inputs);
}

std::vector<float> floats(const Tensor& tensor) {
  const Tensor values = tensor.to(ScalarType::kFloat32).contiguous();
  const auto data = values.data<float>();
  return {data.begin(), data.end()};
}

double squared(double x) { return x * x; }

// What the FakeQuant makes of a value.
double rounded(const Probe& probe, double x, size_t index) {
  const std::vector<KernelScaling>& scalings = probe.rounding.scalings;
  const double level = scalings[index % scalings.size()].level(x / probe.scale, static_cast<double>(probe.zero_point));
  const double clamped = std::clamp(level, static_cast<double>(probe.quant_min), static_cast<double>(probe.quant_max));
  return (clamped - static_cast<double>(probe.zero_point)) * probe.scale;
}

void add_ranges(LayerSums& sums, const Tensor& local) {
  const std::vector<float> values = floats(local);
  // Images have channels in dimension 1, sequences and vectors in the last.
  const int64_t rank = local.rank();
  const int64_t axis = rank >= 4 ? 1 : rank - 1;
  const size_t channels = rank == 0 ? 1 : static_cast<size_t>(local.size(axis));
  size_t inner = 1;
  for (int64_t dim = axis + 1; rank > 0 && dim < rank; ++dim) inner *= static_cast<size_t>(local.size(dim));
  sums.channels.resize(channels);
  for (size_t i = 0; i < values.size(); ++i) {
    const double value = static_cast<double>(values[i]);
    if (!std::isfinite(value)) continue;
    sums.least = std::min(sums.least, value);
    sums.most = std::max(sums.most, value);
    double& channel = sums.channels[i / inner % channels];
    channel = std::max(channel, std::abs(value));
  }
}

void add_errors(LayerSums& sums, const Probe& probe, const Tensor& file, const Tensor& plain, const Tensor& local,
                const Tensor& simulated) {
  const std::vector<float> f = floats(file);
  const std::vector<float> p = floats(plain);
  const std::vector<float> l = floats(local);
  const std::vector<float> r = floats(simulated);
  sums.count += f.size();
  size_t inner = 1;  // Elements of one index of the rounding's axis.
  for (int64_t dim = probe.rounding.axis + 1; dim < 0 && probe.rounding.scalings.size() > 1; ++dim) {
    inner *= static_cast<size_t>(file.size(dim + file.rank()));
  }
  for (size_t i = 0; i < f.size(); ++i) {
    const auto actual = static_cast<double>(f[i]);
    const auto truth = static_cast<double>(p[i]);
    const auto own = static_cast<double>(l[i]);
    const auto before = static_cast<double>(r[i]);
    if (!std::isfinite(truth) || !std::isfinite(own) || !std::isfinite(before)) continue;
    const double expected = rounded(probe, before, i / inner);
    sums.float_energy += squared(truth);
    sums.total_noise += squared(actual - truth);
    sums.local_energy += squared(own);
    sums.local_noise += squared(actual - own);
    const double margin = 0.5 * probe.scale;
    const double outside = own - std::clamp(own, probe.low() - margin, probe.high() + margin);
    if (outside != 0) sums.clipped += squared(own - std::clamp(own, probe.low(), probe.high()));
    sums.weight_noise += squared(before - own);
    sums.kernel_noise += squared(actual - expected);
    if (std::abs(actual - expected) > 0.5 * probe.scale) ++sums.unequal;
    if (std::abs(actual - expected) > 1.5 * probe.scale) ++sums.apart;
  }
}

std::vector<ValueId> parts_of_concatenations(const Graph& graph, const std::vector<Probe>& probes) {
  std::vector<ValueId> parts;
  for (const Probe& probe : probes) {
    const NodeId producer = graph.value(probe.self).producer;
    if (producer == kNoNode || graph.node(producer).op != "aten.cat.default") continue;
    graph.node(producer).arg("tensors").for_each_value([&](ValueId value) { parts.push_back(value); });
  }
  return parts;
}

NamedBytes encode_inputs(const tflite::Model& file, const std::vector<Tensor>& sample) {
  const auto inputs = boundary(file, true);
  if (inputs.size() != sample.size()) {
    throw Error(fmt::format("the file has {} inputs, {} were given", inputs.size(), sample.size()));
  }
  NamedBytes given;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const tflite::Tensor& tensor = file.subgraphs[0].tensors[static_cast<size_t>(inputs[i].second)];
    given.emplace_back(inputs[i].first, encode(sample[i], tensor));
  }
  return given;
}

const std::vector<std::byte>& bytes_of(const NamedBytes& results, const std::string& name) {
  const auto found = std::find_if(results.begin(), results.end(), [&](const auto& e) { return e.first == name; });
  if (found == results.end()) throw Error(fmt::format("the runtime returned no output '{}'", name));
  return found->second;
}

std::vector<ValueId> user_outputs(const Graph& graph) {
  std::vector<ValueId> values;
  for (const Output& output : graph.outputs()) {
    if (output.kind == OutputKind::kUser && output.value.is_value()) values.push_back(output.value.as_value());
  }
  return values;
}

}  // namespace

Measurements measure_layers(const tflite::Model& file, const Graph& graph, const std::vector<Probe>& probes,
                            const std::vector<std::vector<Tensor>>& samples, const RunTflite& run) {
  std::vector<std::string> names;
  const tflite::Model probed = add_outputs(file, probes, names);
  const std::vector<ValueId> parts = parts_of_concatenations(graph, probes);
  const std::vector<ValueId> outputs = user_outputs(graph);
  const auto file_outputs = boundary(file, false);
  if (file_outputs.size() != outputs.size()) {
    throw Error(fmt::format("the file has {} outputs, the model {}", file_outputs.size(), outputs.size()),
                "give the model that the file was made from");
  }
  std::vector<ValueId> more = parts;
  more.insert(more.end(), outputs.begin(), outputs.end());
  const Variant plain = make_variant(graph, probes, false, false, more);
  const Variant local = make_variant(graph, probes, true, false, {});
  const Variant simulated = make_variant(graph, probes, true, true, {});

  Measurements result;
  result.layers.resize(probes.size());
  result.outputs.resize(outputs.size());
  std::vector<std::vector<int64_t>> orders(probes.size());  // Of channels, where the file has one of its own.
  for (const std::vector<Tensor>& sample : samples) {
    const NamedBytes found = run(probed, encode_inputs(file, sample));
    const std::vector<Tensor> truth = run_variant(plain, sample, {});
    std::vector<std::optional<Tensor>> values(probes.size());
    for (size_t i = 0; i < probes.size(); ++i) {
      if (names[i].empty()) continue;
      const tflite::Tensor& tensor = file.subgraphs[0].tensors[static_cast<size_t>(probes[i].tensor)];
      values[i] = decode(bytes_of(found, names[i]), tensor, truth[i]);
      if (!values[i]) {
        throw Error(fmt::format("'{}' has another shape in the file than in the model", tensor.name),
                    "give the model that the file was made from");
      }
      values[i] = match_channels(*values[i], truth[i], orders[i]);
    }
    const std::vector<Tensor> alone = run_variant(local, sample, values);
    const std::vector<Tensor> expected = run_variant(simulated, sample, values);
    for (size_t i = 0; i < probes.size(); ++i) {
      add_ranges(result.layers[i], alone[i]);
      if (values[i]) add_errors(result.layers[i], probes[i], *values[i], truth[i], alone[i], expected[i]);
    }
    for (size_t i = 0; i < parts.size(); ++i) {
      double& most = result.concatenated[parts[i]];
      for (const float x : floats(truth[probes.size() + i])) most = std::max(most, std::abs(static_cast<double>(x)));
    }
    for (size_t i = 0; i < outputs.size(); ++i) {
      const Tensor& reference = truth[probes.size() + parts.size() + i];
      const tflite::Tensor& tensor = file.subgraphs[0].tensors[static_cast<size_t>(file_outputs[i].second)];
      const auto actual = decode(bytes_of(found, file_outputs[i].first), tensor, reference);
      if (!actual) throw Error(fmt::format("'{}' has another shape in the file than in the model", tensor.name));
      const std::vector<float> a = floats(*actual);
      const std::vector<float> b = floats(reference);
      for (size_t k = 0; k < a.size(); ++k) {
        if (!std::isfinite(b[k])) continue;
        result.outputs[i].first += squared(static_cast<double>(b[k]));
        result.outputs[i].second += squared(static_cast<double>(a[k]) - static_cast<double>(b[k]));
      }
    }
  }
  return result;
}

}  // namespace tinyml::explaining
