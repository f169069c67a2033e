// The order of the passes.
#include <algorithm>
#include <map>
#include <string_view>

#include "tflite/dynamic/example_sizes.h"
#include "tflite/dynamic/generic_sizes.h"
#include "tflite/dynamic/reshape_operands.h"
#include "tflite/options_codec.h"
#include "tflite/passes/forms/forms.h"
#include "tflite/passes/make_unsigned.h"
#include "tflite/passes/passes.h"
#include "tflite/passes/quantization.h"
#include "tflite/passes/weight_storage.h"
#include "tflite/signature_binding.h"
#include "tinyml/error.h"
#include "tinyml/tflite_passes.h"
#include "tinyml/tflite_verify.h"

namespace tinyml::tflite {
namespace {

class Pipeline {
 public:
  Pipeline(Model& model, const OptimizeOptions& options) : model_(model), options_(options), binding_(model) {}

  template <class Pass>
  int run(const char* name, Pass pass) {
    int changes = 0;
    for (Subgraph& subgraph : model_.subgraphs) changes += pass(subgraph);
    if (changes > 0) report(name);
    return changes;
  }

  void report(const char* name) {
    binding_.restore(model_);
    if (options_.after_pass) options_.after_pass(name, model_);
    physical_ = physical_ || std::string_view(name) == "assign_layout";
    if (!options_.verify_passes || !physical_) return;
    std::vector<Diagnostic> violations = find_violations(model_);
    if (violations.empty()) return;
    throw Error(std::string("the pass ") + name + " made an unsound model:", std::move(violations));
  }

  // What every other pass likes to find gone.
  void simplify(bool as_shuffles = false) {
    for (int round = 0; round < 8; ++round) {
      int changes = run("fold_constants", [](Subgraph& g) { return fold_constants(g, false); });
      changes += run("remove_identities", remove_identities);
      changes += run("merge_chains", merge_chains);
      changes += run("merge_reshape_pairs", merge_reshape_pairs);
      changes += run("merge_rearrangements", [&](Subgraph& g) { return merge_rearrangements(g, as_shuffles); });
      changes += run("normalize_selections", normalize_selections);
      changes += run("merge_selections", merge_selections);
      changes += run("dissolve_concatenations", dissolve_concatenations);
      changes += run("join_slices", join_slices);
      changes += run("merge_arithmetic", merge_arithmetic);
      changes += run("merge_reductions", merge_reductions);
      changes += run("merge_clamps", merge_clamps);
      changes += run("form_reciprocal_roots", form_reciprocal_roots);
      changes += run("remove_dead_code", remove_dead_code);
      if (changes == 0) break;
    }
    run("share_constants", share_constants);
    run("merge_common_subexpressions", merge_common_subexpressions);
  }

 private:
  Model& model_;
  const OptimizeOptions& options_;
  SignatureBinding binding_;
  bool physical_ = false;
};

void fill_options(Model& model) {
  for (Subgraph& subgraph : model.subgraphs) {
    for (Operator& op : subgraph.operators) {
      if (std::holds_alternative<std::monostate>(op.options)) op.options = default_options(op.op);
    }
  }
}

// Passes look at what operators make. Those that make nothing (ASSIGN_VARIABLE) get an output for as long as passes
// run.
class Placeholders {
 public:
  explicit Placeholders(Model& model) : model_(model), first_(model.subgraphs.size()), last_(model.subgraphs.size()) {
    for (size_t s = 0; s < model.subgraphs.size(); ++s) {
      Subgraph& subgraph = model.subgraphs[s];
      first_[s] = static_cast<int>(subgraph.tensors.size());
      for (Operator& op : subgraph.operators) {
        if (op.outputs.empty()) op.outputs = {subgraph.add_tensor("nothing", Type::INT32, {})};
      }
      last_[s] = static_cast<int>(subgraph.tensors.size());
    }
  }

  void remove() {
    for (size_t s = 0; s < model_.subgraphs.size(); ++s) {
      for (Operator& op : model_.subgraphs[s].operators) {
        std::erase_if(op.outputs, [&](int id) { return id >= first_[s] && id < last_[s]; });
      }
    }
  }

 private:
  Model& model_;
  std::vector<int> first_, last_;  // Tensor ids, by subgraph.
};

}  // namespace

void fold_quantization(Model& model, Target target, const WeightOptions& weights, const Note& note) {
  const Note listener = note ? note : [](const std::string&) {};
  const SignatureBinding binding(model);
  for (Subgraph& subgraph : model.subgraphs) {
    for (int round = 0; round < 16; ++round) {
      int changes = merge_requantization(subgraph);
      changes += move_quantization(subgraph, target);
      changes += quantize_operators(subgraph, target);
      changes += remove_dead_code(subgraph);
      if (changes == 0) break;
    }
    quantize_weights(subgraph, weights, target, listener);
    fold_constants(subgraph, true);
    remove_dead_code(subgraph);
    merge_common_subexpressions(subgraph);
    split_islands(subgraph);
  }
  binding.restore(model);
}

void write_forms(Model& model, const FormPolicy& policy) {
  const SignatureBinding binding(model);
  for (Subgraph& subgraph : model.subgraphs) {
    int changes = write_average_depthwise(subgraph, policy);
    changes += write_tables(subgraph, policy);
    changes += split_convolutions(subgraph, policy);
    changes += write_phases(subgraph, policy);
    changes += fold_focus(subgraph, policy);
    changes += fold_width(subgraph, policy);
    changes += write_linear(subgraph, policy);
    changes += split_multipliers(subgraph, policy);
    changes += split_taps(subgraph, policy);
    changes += merge_groups(subgraph, policy);
    changes += write_winograd(subgraph, policy);
    changes += pad_by_concatenation(subgraph, policy);
    changes += drop_half_pixels(subgraph, policy);
    changes += write_float_products(subgraph, policy);
    if (changes == 0) continue;
    remove_dead_code(subgraph);
    fuse_activations(subgraph);  // Of what was divided: one reader each.
    fuse_padding(subgraph);
    remove_dead_code(subgraph);
    merge_common_subexpressions(subgraph);
    split_islands(subgraph);
  }
  binding.restore(model);
}

LayoutReport optimize(Model& model, const OptimizeOptions& options) {
  const Note note = options.note ? options.note : [](const std::string&) {};
  fill_options(model);
  if (auto misfits = find_misfits(model); !misfits.empty()) {
    throw Error("the model cannot be optimised, it is not sound:", std::move(misfits));
  }
  std::map<int32_t, int32_t> examples;
  if (!options.sizes_are_generic) examples = set_generic_sizes(model, true);
  Placeholders placeholders(model);
  Pipeline pipeline(model, options);
  pipeline.run("remove_dead_code", remove_dead_code);
  if (drop_branch_outputs(model) > 0) pipeline.report("drop_branch_outputs");
  pipeline.simplify(true);
  const LayoutReport layout = assign_layout(model, options.layout);
  pipeline.report("assign_layout");
  pipeline.simplify();
  int folded = pipeline.run("fold_affine", fold_affine);
  folded += pipeline.run("fold_input_affine", fold_input_affine);
  if (folded > 0) pipeline.simplify();
  pipeline.run("drop_broadcasts", drop_broadcasts);
  pipeline.run("add_missing_bias", add_missing_bias);
  pipeline.run("form_depthwise_affine", form_depthwise_affine);
  pipeline.run("form_global_mean", form_global_mean);
  pipeline.run("fuse_activations", fuse_activations);
  pipeline.run("fuse_padding", fuse_padding);
  pipeline.run("flatten_into_linear", flatten_into_linear);
  pipeline.run("remove_dead_code", remove_dead_code);
  fold_quantization(model, options.target, options.weights, note);
  pipeline.report("fold_quantization");
  pipeline.run("fuse_padding", fuse_padding);
  pipeline.run("flatten_into_linear", flatten_into_linear);
  if (pipeline.run("carry_channel_orders", carry_channel_orders) > 0) {
    pipeline.run("remove_dead_code", remove_dead_code);
    pipeline.run("merge_common_subexpressions", merge_common_subexpressions);  // Parts that several readers take.
  }
  pipeline.run("expand_shuffles", expand_shuffles);
  write_forms(model, FormPolicy(options.target, options.forms));
  pipeline.report("write_forms");
  pipeline.run("drop_rank_reshapes", drop_rank_reshapes);
  pipeline.run("merge_chains", merge_chains);
  pipeline.run("remove_identities", remove_identities);
  pipeline.run("remove_dead_code", remove_dead_code);
  pipeline.run("share_constants", share_constants);
  if (options.max_transpose_rank > 0) {
    if (options.max_transpose_rank < 3) throw Error("a TRANSPOSE can be limited to 3 dimensions or more");
    pipeline.run("limit_transpose_rank",
                 [&](Subgraph& g) { return limit_transpose_rank(g, options.max_transpose_rank); });
  }
  if (options.integers == Type::UINT8) make_unsigned(model, options.target);
  set_boundary_types(model, options.input_types, options.output_types, options.types_where_possible ? note : Note());
  pipeline.run("remove_dead_code", remove_dead_code);
  pipeline.run("compress_constants", [&](Subgraph& g) { return compress_constants(g, options.weights, note); });
  // Only the main one's: what the body of a loop hands on as it is costs nothing.
  if (separate_outputs(model.subgraphs[0]) > 0) pipeline.report("separate_outputs");
  pipeline.run("protect_shared_memory", protect_shared_memory);
  placeholders.remove();
  drop_unused_tensors(model);
  if (!examples.empty()) {
    make_reshape_operands(model);
    set_example_sizes(model, examples);
  }
  pipeline.report("drop_unused_tensors");
  return layout;
}

}  // namespace tinyml::tflite
