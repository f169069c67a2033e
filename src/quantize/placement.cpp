#include "quantize/placement.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "quantize/dynamic_values.h"
#include "quantize/float_divisors.h"
#include "quantize/float_stream.h"
#include "quantize/layer_rules.h"
#include "quantize/lookups.h"
#include "quantize/module_names.h"
#include "quantize/rewrite.h"
#include "quantize/scale_classes.h"
#include "quantize/tie_rules.h"
#include "quantize/weight_sites.h"

namespace tinyml::quantization {
namespace {

/// Concatenations of more parts keep a scale of their own: a bound on the time that comparing them takes.
constexpr size_t kMostParts = 256;

class Solver {
 public:
  Solver(const Graph& graph, const QuantizationScheme& scheme)
      : graph_(graph),
        scheme_(scheme),
        classes_(graph.value_limit()),
        dynamic_(find_dynamic_values(graph)),
        needed_(graph.value_limit()),
        pulled_(graph.value_limit()) {}

  Placement solve() {
    classify();
    leave_stream_float();
    leave_divisors_float();
    merge_activations();
    tie();
    find_needed();
    cover_concatenations();
    pull_into_concatenations();
    find_read_widths();
    collect_input_sites();
    for (const NodeId id : graph_.nodes()) collect(id);
    match_widths();
    list_choices();
    return std::move(placement_);
  }

 private:
  bool is_data(ValueId id) const {
    if (id == kNoValue) return false;
    const Value& value = graph_.value(id);
    return value.kind == ValueKind::kTensor && is_floating_point(value.tensor.type);
  }
  bool is_dynamic(ValueId id) const { return is_data(id) && dynamic_[index_of(id)]; }
  const TieRule& rule(NodeId id) const { return rules_.at(id); }
  bool is_quantized(NodeId id) const { return rules_.contains(id) && rule(id).tie != Tie::kFloat; }
  bool is_lookup(NodeId id) const { return rules_.contains(id) && rule(id).tie == Tie::kLookup; }
  bool is_move(NodeId id) const {
    return is_quantized(id) && (rule(id).tie == Tie::kMove || rule(id).tie == Tie::kRound || tied_cats_.contains(id));
  }

  /// The values among the arguments that carry data.
  std::vector<ValueId> data_inputs(NodeId id) const {
    std::vector<ValueId> values;
    const Node& node = graph_.node(id);
    const auto count = static_cast<size_t>(rule(id).data_args);
    for (size_t i = 0; i < std::min(count, node.args.size()); ++i) {
      node.args[i].value.for_each_value([&](ValueId value) {
        if (is_dynamic(value) && !divisors_.contains(graph_.value(value).producer)) values.push_back(value);
      });
    }
    return values;
  }

  void classify() {
    for (const NodeId id : graph_.nodes()) {
      const Node& node = graph_.node(id);
      const bool makes_data =
          std::any_of(node.outputs.begin(), node.outputs.end(), [&](ValueId v) { return is_dynamic(v); });
      if (!makes_data) continue;
      TieRule found = tie_rule(graph_, node);
      if (const std::string* reason = note_of(node, kKeptFloat)) found = stays_float(reason->c_str());
      if (found.tie == Tie::kLayer && node.arg("weight").is_value() && is_dynamic(node.arg("weight").as_value())) {
        found = stays_float("its weight is computed from the model's input");
      }
      rules_.emplace(id, found);
      if (found.tie != Tie::kFloat && found.tie != Tie::kLookup && data_inputs(id).empty())
        rules_[id] = stays_float("none of its operands is a float tensor");
      natural_.emplace(id, rules_[id]);
      if (found.ends_float_stream && scheme_.float_residual && !is_asked_for(graph_, scheme_, node))
        rules_[id].tie = Tie::kFloat;
      if (is_ignored(graph_, scheme_, node)) rules_[id] = stays_float("the configuration ignores it");
    }
  }

  void leave_stream_float() {
    if (!scheme_.float_residual) return;
    for (const NodeId id : find_float_stream(graph_, rules_, dynamic_)) {
      if (is_asked_for(graph_, scheme_, graph_.node(id))) continue;
      rules_[id] = stays_float("what attention's products and normalizations read is computed in float with them");
    }
  }

  void leave_divisors_float() {
    divisors_ = find_float_divisors(graph_, rules_, dynamic_);
    std::erase_if(divisors_, [&](NodeId id) { return is_asked_for(graph_, scheme_, graph_.node(id)); });
    for (const NodeId id : divisors_) {
      if (rule(id).tie != Tie::kFloat) rules_[id] = stays_float("a divisor that integers round to zero has no inverse");
    }
  }

  void merge_activations() {
    for (const NodeId id : graph_.nodes()) {
      if (!rules_.contains(id) || !is_fusable_activation(graph_.node(id))) continue;
      const std::vector<ValueId> inputs = data_inputs(id);
      if (inputs.size() != 1) continue;
      const Value& input = graph_.value(inputs[0]);
      if (input.producer == kNoNode || !rules_.contains(input.producer)) continue;
      if (input.users.size() != 1 || graph_.is_output(inputs[0])) continue;
      const TieRule* producer = find_tie_rule(graph_.node(input.producer).op);
      if (producer == nullptr || !producer->fuses_activation) continue;
      attached_.emplace(id, input.producer);
      if (!is_quantized(input.producer)) {
        rules_[id] = rule(input.producer);  // it stays with its layer
      } else if (is_quantized(id)) {
        merged_.emplace(inputs[0], id);
      }
    }
  }

  /// Results whose FakeQuant is one module share its scale.
  void tie_named(NodeId id, std::map<std::string, ValueId>& first) {
    const Node& node = graph_.node(id);
    const std::string* name = note_of(node, kQuantizer);
    if (name == nullptr) return;
    const auto [entry, inserted] = first.emplace(node.module_path() + "." + *name, node.outputs.at(0));
    if (!inserted) classes_.join(entry->second, node.outputs.at(0));
  }

  void tie() {
    std::map<std::string, ValueId> named;
    for (const NodeId id : graph_.nodes()) {
      tie_named(id, named);
      if (!is_quantized(id)) continue;
      const Tie kind = rule(id).tie;
      const std::vector<ValueId> inputs = data_inputs(id);
      if (kind == Tie::kConcat) {
        const bool same = std::all_of(inputs.begin(), inputs.end(),
                                      [&](ValueId v) { return classes_.find(v) == classes_.find(inputs[0]); });
        if (!same) continue;
        tied_cats_.insert(id);
      } else if (kind != Tie::kMove && kind != Tie::kRound) {
        continue;
      }
      for (const ValueId output : graph_.node(id).outputs) {
        if (is_dynamic(output)) classes_.join(inputs[0], output);
      }
    }
  }

  bool need(ValueId value) {
    const size_t root = classes_.find(value);
    if (needed_[root]) return false;
    needed_[root] = true;
    return true;
  }
  bool is_needed(ValueId value) { return needed_[classes_.find(value)]; }

  void find_needed() {
    std::vector<NodeId> concatenations;
    for (const NodeId id : graph_.nodes()) {
      if (!is_quantized(id) || is_move(id) || is_lookup(id)) continue;  // Lookups follow their readers.
      if (rule(id).tie == Tie::kConcat) {
        concatenations.push_back(id);
        continue;
      }
      for (const ValueId value : data_inputs(id)) need(value);
      for (const ValueId value : graph_.node(id).outputs) {
        if (is_dynamic(value)) need(value);
      }
    }
    // A concatenation runs on integers when anything around it does.
    for (bool changed = true; changed;) {
      changed = false;
      for (const NodeId id : concatenations) {
        std::vector<ValueId> values = data_inputs(id);
        values.push_back(graph_.node(id).output());
        if (std::none_of(values.begin(), values.end(), [&](ValueId v) { return is_needed(v); })) continue;
        for (const ValueId value : values) changed = need(value) || changed;
      }
    }
  }

  bool has_concatenation_scale(NodeId id) const {
    return is_quantized(id) && rule(id).tie == Tie::kConcat && !tied_cats_.contains(id);
  }

  /// Concatenations of the same values (in dense blocks) share the scale of the one that joins them all: else each
  /// value would be requantized for each of them.
  void cover_concatenations() {
    std::map<NodeId, std::set<ValueId>> parts;      // without the concatenations among them
    std::map<ValueId, std::vector<NodeId>> joined;  // a value -> the concatenations of it
    for (const NodeId id : graph_.nodes()) {
      if (!has_concatenation_scale(id)) continue;
      std::set<ValueId>& own = parts[id];
      for (const ValueId input : data_inputs(id)) {
        const auto inner = parts.find(graph_.value(input).producer);
        if (inner == parts.end()) {
          own.insert(input);
        } else {
          own.insert(inner->second.begin(), inner->second.end());
        }
      }
      if (own.size() > kMostParts) parts.erase(id);
    }
    for (const auto& [id, own] : parts) {
      for (const ValueId value : own) joined[value].push_back(id);
    }
    for (const auto& [id, own] : parts) {
      if (own.empty() || !is_needed(graph_.node(id).output())) continue;
      const TensorScheme scheme = result_scheme(id);
      NodeId best = id;
      for (const NodeId other : joined.at(*own.begin())) {
        const std::set<ValueId>& more = parts.at(other);
        if (more.size() <= parts.at(best).size() || !is_needed(graph_.node(other).output())) continue;
        if (result_scheme(other) != scheme) continue;
        if (std::includes(more.begin(), more.end(), own.begin(), own.end())) best = other;
      }
      if (best != id) cover_.emplace(id, best);
    }
  }

  /// The concatenation whose scale this one has.
  NodeId cover_of(NodeId id) const {
    for (auto next = cover_.find(id); next != cover_.end(); next = cover_.find(id)) id = next->second;
    return id;
  }

  /// What is computed for concatenations of one scale alone, and moved on the way to them, takes that scale.
  void pull_into_concatenations() {
    if (scheme_.requantize_concatenations) return;
    for (const NodeId id : graph_.nodes()) {
      if (!has_concatenation_scale(id)) continue;
      for (const ValueId input : data_inputs(id)) {
        const ValueId computed = computed_for(id, input);
        if (computed == kNoValue) continue;
        if (is_wide(result_scheme(graph_.value(computed).producer)) == is_wide(result_scheme(id)))
          pulled_[index_of(computed)] = true;
      }
    }
  }

  /// The value that an input of a concatenation is a moved form of, if nothing else reads it.
  ValueId computed_for(NodeId concatenation, ValueId input) const {
    for (NodeId reader = concatenation;;) {
      const Value& value = graph_.value(input);
      const bool alone = std::all_of(value.users.begin(), value.users.end(), [&](NodeId user) {
        return user == reader || (has_concatenation_scale(user) && cover_of(user) == cover_of(concatenation));
      });
      if (!alone || graph_.is_output(input) || value.producer == kNoNode || !is_quantized(value.producer)) break;
      if (note_of(graph_.node(value.producer), kQuantizer) != nullptr) break;  // others have its scale too
      const Tie tie = rule(value.producer).tie;
      if (tie == Tie::kLayer || tie == Tie::kCompute || tie == Tie::kLookup) return input;
      if (tie != Tie::kMove || graph_.node(value.producer).outputs.size() != 1) break;
      reader = value.producer;
      input = data_inputs(reader)[0];
    }
    return kNoValue;
  }

  /// The operators that stay float, among those that read the value.
  std::vector<NodeId> float_readers(ValueId value) const {
    std::vector<NodeId> readers;
    for (const NodeId user : graph_.value(value).users) {
      if (rules_.contains(user) && !is_quantized(user)) readers.push_back(user);
    }
    return readers;
  }

  /// Whether the rows that a lookup reads have scales of their own: not where integers alone read its result, whose
  /// rounding is then that of the table.
  bool has_row_scales(NodeId id) {
    const ValueId result = graph_.node(id).outputs.at(0);
    return is_read_elsewhere(graph_, graph_.node(id)) || !is_needed(result) || !float_readers(result).empty();
  }

  static bool is_wide(const TensorScheme& scheme) { return scheme.quant_max > 127; }

  /// Of what the operator makes; an exception for a layer holds for the result of the activation that is part of it.
  TensorScheme result_scheme(NodeId id) const {
    const auto attached = attached_.find(id);
    const TensorScheme own = activation_scheme(graph_, scheme_, graph_.node(id));
    if (attached == attached_.end()) return own;
    const Node& layer = graph_.node(attached->second);
    if (own != scheme_.activation && own_rule(graph_, scheme_, layer) == nullptr) return own;
    return activation_scheme(graph_, scheme_, layer);
  }

  /// The scheme of the operator's integers: of the value that it makes, its activation included.
  TensorScheme operator_scheme(NodeId id) const {
    const auto merged = merged_.find(graph_.node(id).outputs.at(0));
    return result_scheme(merged == merged_.end() ? id : merged->second);
  }

  /// Calls visit(operator, value) for each value that an integer operator computes with.
  template <typename Visit>
  void for_each_read(Visit visit) const {
    for (const NodeId id : graph_.nodes()) {
      if (!is_quantized(id) || is_move(id) || is_merged_activation(id)) continue;
      for (const ValueId value : data_inputs(id)) visit(id, value);
    }
  }

  void find_read_widths() {
    for_each_read([&](NodeId id, ValueId value) {
      const TensorScheme scheme = operator_scheme(id);
      const auto [entry, first] = readers_scheme_.try_emplace(classes_.find(value), scheme);
      if (!first && is_wide(entry->second) && !is_wide(scheme)) entry->second = scheme;
    });
  }

  /// The scheme of a value that no integer operator makes: 16 bits where all that read it have them.
  TensorScheme scheme_for_readers(ValueId value) {
    const auto found = readers_scheme_.find(classes_.find(value));
    return found != readers_scheme_.end() && is_wide(found->second) ? found->second : scheme_.activation;
  }

  void match_widths() {
    std::map<size_t, bool> made_wide;
    for (const Site& site : placement_.sites) made_wide.emplace(classes_.find(site.value), is_wide(site.scheme));
    for_each_read([&](NodeId id, ValueId value) {
      const TensorScheme scheme = operator_scheme(id);
      const auto made = made_wide.find(classes_.find(value));
      if (made == made_wide.end() || made->second == is_wide(scheme)) return;
      std::vector<WidthSite>& widths = placement_.widths;
      auto same = std::find_if(widths.begin(), widths.end(),
                               [&](const WidthSite& site) { return site.value == value && site.scheme == scheme; });
      if (same == widths.end()) same = widths.insert(same, WidthSite{value, scheme, {}});
      if (std::find(same->readers.begin(), same->readers.end(), id) == same->readers.end()) same->readers.push_back(id);
    });
  }

  /// Not the later steps of a recurrent layer, which follow the first, nor what is float between its products.
  bool leads(NodeId id) const {
    const Node& node = graph_.node(id);
    const std::string* leader = note_of(node, kLeader);
    return note_of(node, kKeptFloat) == nullptr && (leader == nullptr || *leader == graph_.value(node.output()).name);
  }

  void list_choices() {
    for (const NodeId id : graph_.nodes()) {
      const auto found = natural_.find(id);
      if (found == natural_.end() || attached_.contains(id) || !leads(id)) continue;
      const TieRule& natural = found->second;
      const TieRule* named = find_tie_rule(graph_.node(id).op);
      if (natural.tie == Tie::kMove || natural.tie == Tie::kRound) continue;
      if (natural.tie == Tie::kFloat && named != nullptr && named->tie == Tie::kMove) continue;
      LayerChoice choice{id, false, {}, {}, natural.tie == Tie::kFloat ? natural.reason : nullptr};
      choice.lookup = natural.tie == Tie::kLookup;
      choice.integer = is_quantized(id) && (choice.lookup || is_needed(graph_.node(id).outputs.at(0)));
      choice.activation = operator_scheme(id);
      if (natural.tie == Tie::kLayer || (choice.lookup && has_row_scales(id)))
        choice.weight = weight_scheme(graph_, scheme_, graph_.node(id));
      placement_.layers.push_back(choice);
    }
  }

  void collect_input_sites() {
    size_t index = 0;  // among the inputs that hold data
    for (const Input& input : graph_.inputs()) {
      if (input.value == kNoValue || !is_data(input.value)) continue;
      const size_t own = index++;
      if (!is_needed(input.value)) continue;
      Site site{input.value, Site::Kind::kObserved, {}, kNoValue, scheme_for_readers(input.value), "", {}};
      if (own < scheme_.inputs.size() && scheme_.inputs[own]) {
        site.kind = Site::Kind::kFixed;
        site.fixed = *scheme_.inputs[own];
        site.scheme.quant_min = -128;
        site.scheme.quant_max = 127;
      }
      placement_.sites.push_back(site);
    }
    if (scheme_.inputs.empty() || scheme_.inputs.size() == index) return;
    throw Error(fmt::format("quantized_input_stats is for {} inputs, the model has {} that can be quantized",
                            scheme_.inputs.size(), index),
                "give one entry for each float input, null for those that calibration is to find");
  }

  void report_float(NodeId id, const std::string& reason) {
    const Node& node = graph_.node(id);
    if (note_of(node, kKeptFloat) != nullptr && !reported_.insert(node.module_path() + "\n" + reason).second) return;
    const bool chosen = is_ignored(graph_, scheme_, node) || (scheme_.float_residual && rule(id).ends_float_stream);
    placement_.report.float_operators.push_back(
        {graph_.value(node.outputs.at(0)).name, node.op, node.module_path(), node.source(), reason, id, 0, chosen});
  }

  void collect(NodeId id) {
    if (!rules_.contains(id)) return;
    const Node& node = graph_.node(id);
    const TieRule& found = rule(id);
    const bool moves = is_move(id);
    if (found.tie == Tie::kFloat) {
      const TieRule* natural = find_tie_rule(node.op);
      if (natural == nullptr || natural->tie != Tie::kMove) report_float(id, found.reason);
    } else if (found.tie == Tie::kLookup) {
      ++placement_.report.quantized_operators;
      if (has_row_scales(id)) placement_.weights.push_back(row_site(graph_, scheme_, id));
    } else if (!moves && is_needed(node.outputs.at(0))) {
      if (!is_merged_activation(id)) ++placement_.report.quantized_operators;
      collect_constants(id);
    }
    for (const ValueId output : node.outputs) {
      if (!is_dynamic(output) || !is_needed(output) || merged_.contains(output) || pulled_[index_of(output)]) continue;
      if (graph_.is_unused(output)) continue;
      if (!moves) {
        add_site(id, output);
      } else if (found.tie == Tie::kRound) {
        add_rounding(output);
      }
    }
  }

  bool is_merged_activation(NodeId id) const {
    return std::any_of(merged_.begin(), merged_.end(), [id](const auto& entry) { return entry.second == id; });
  }

  void add_site(NodeId id, ValueId output) {
    Site site{output, Site::Kind::kObserved, {}, kNoValue, result_scheme(id), "", {}};
    if (const std::string* name = note_of(graph_.node(id), kQuantizer)) site.quantizer = *name;
    if (!is_quantized(id) || is_lookup(id)) {
      site.float_readers = float_readers(output);
      if (site.scheme == scheme_.activation) site.scheme = scheme_for_readers(output);
    }
    if (rule(id).tie == Tie::kFixed && site.scheme.quant_min == -128 && site.scheme.quant_max == 127) {
      site.kind = Site::Kind::kFixed;
      site.fixed = rule(id).fixed;
    } else if (rule(id).tie == Tie::kFixed && site.scheme.quant_max == 32767) {
      site.kind = Site::Kind::kFixed;
      site.fixed = {1.0f / 32768.0f, 0};
    }
    if (const NodeId cover = cover_of(id); cover != id) {
      site.kind = Site::Kind::kRequantized;
      site.source = graph_.node(cover).output();
    }
    placement_.sites.push_back(site);
  }

  void add_rounding(ValueId output) {
    const ValueId source{static_cast<uint32_t>(classes_.find(output))};
    const auto found = std::find_if(placement_.sites.begin(), placement_.sites.end(),
                                    [&](const Site& site) { return site.value == source; });
    TINYML_CHECK(found != placement_.sites.end());
    Site site = *found;
    site.value = output;
    site.float_readers.clear();
    site.source = source;
    if (site.kind != Site::Kind::kFixed) site.kind = Site::Kind::kRequantized;
    placement_.sites.push_back(site);
  }

  void collect_constants(NodeId id) {
    if (rule(id).tie == Tie::kLayer) return placement_.weights.push_back(layer_site(graph_, scheme_, id));
    TensorScheme operand =
        weight_scheme(graph_, scheme_, graph_.node(id));  // of the same width as what it is computed with
    if (is_wide(operator_scheme(id))) {
      operand.quant_max = 32767;
      operand.quant_min = -32767;
    }
    add_operand_sites(graph_, id, static_cast<size_t>(rule(id).data_args), operand, dynamic_, placement_.weights);
  }

  const Graph& graph_;
  const QuantizationScheme& scheme_;
  ScaleClasses classes_;
  std::vector<bool> dynamic_;
  std::vector<bool> needed_;
  std::vector<bool> pulled_;  ///< Takes the scale of the concatenation that reads it.
  std::map<NodeId, TieRule> rules_;
  std::map<NodeId, TieRule> natural_;  ///< Without exceptions.
  std::map<NodeId, NodeId> attached_;  ///< Activations -> the operator that they are part of, integer or float.
  std::map<size_t, TensorScheme> readers_scheme_;  ///< By class: what reads it; the narrowest where they differ.
  std::map<ValueId, NodeId> merged_;               ///< Results read only by an activation -> that activation.
  std::map<NodeId, NodeId> cover_;  ///< Concatenations -> one of the same values and more, whose scale they share.
  std::set<NodeId> divisors_;       ///< What is computed in float for divisors alone.
  std::set<NodeId> tied_cats_;      ///< Concatenations of values that share a scale already.
  std::set<std::string> reported_;  ///< Modules whose operators are listed once.
  Placement placement_;
};

}  // namespace

Placement solve_placement(const Graph& graph, const QuantizationScheme& scheme) {
  return Solver(graph, scheme).solve();
}

}  // namespace tinyml::quantization
