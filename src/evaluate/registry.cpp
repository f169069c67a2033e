#include "evaluate/registry.h"

#include <fmt/format.h>

#include <new>
#include <stdexcept>
#include <unordered_map>

#include "graph/operator_aliases.h"
#include "tinyml/evaluate.h"

namespace tinyml::evaluation {
namespace {

using Table = std::unordered_map<std::string_view, const OperatorEntry*>;

using Family = std::span<const OperatorEntry> (*)();
constexpr Family kFamilies[] = {
    activation_operators,    adaptive_pooling_operators,
    arithmetic_operators,    attention_operators,
    arrange_operators,       class_loss_operators,
    distance_operators,      loss_operators,
    product_operators,       search_operators,
    special_operators,       statistics_operators,
    reduce_into_operators,   cast_operators,
    comparison_operators,    convolution_operators,
    creation_operators,      einsum_operators,
    embedding_bag_operators, fake_quantize_operators,
    grid_sample_operators,   index_operators,
    join_operators,          matrix_operators,
    normalization_operators, order_operators,
    pad_operators,           patch_operators,
    pooling_operators,       recurrent_operators,
    reduction_operators,     scatter_operators,
    sequence_operators,      shuffle_operators,
    softmax_operators,       split_operators,
    symbolic_operators,      unary_operators,
    upsample_operators,      vector_operators,
    view_operators,
};

Table make_table() {
  Table table;
  for (const auto family : kFamilies) {
    for (const OperatorEntry& entry : family()) TINYML_CHECK(table.emplace(entry.op, &entry).second);
  }
  for (const OperatorAlias& alias : operator_aliases())
    TINYML_CHECK(table.emplace(alias.name, table.at(alias.op)).second);
  return table;
}

[[noreturn]] void refuse_size(const OperatorCall& call) {
  throw Error({fmt::format("{} needs more memory than there is", call.op()), call.node().module_path(),
               call.node().source(), ""});
}

}  // namespace

const OperatorEntry* find_operator(std::string_view op) {
  static const Table table = make_table();
  const auto found = table.find(op);
  return found == table.end() ? nullptr : found->second;
}

std::vector<Tensor> run_operator(const OperatorCall& call) {
  const OperatorEntry* entry = find_operator(call.op());
  TINYML_CHECK(entry != nullptr);
  std::vector<Tensor> results;
  try {
    if (entry->single != nullptr) {
      results.push_back(entry->single(call));
    } else {
      results = entry->multiple(call);
    }
  } catch (const Error& error) {
    std::vector<Diagnostic> diagnostics = error.diagnostics();
    for (Diagnostic& diagnostic : diagnostics) {
      if (!diagnostic.module_path.empty() || !diagnostic.where.empty()) continue;
      diagnostic.module_path = call.node().module_path();
      diagnostic.where = call.node().source();
    }
    throw Error(fmt::format("cannot evaluate {}", call.op()), std::move(diagnostics));
  } catch (const std::bad_alloc&) {
    refuse_size(call);
  } catch (const std::length_error&) {
    refuse_size(call);
  }
  if (results.size() != call.output_count()) {
    throw Error(
        {fmt::format("{} has {} outputs in the graph but gives {}", call.op(), call.output_count(), results.size()),
         call.node().module_path(), call.node().source(), ""});
  }
  return results;
}

}  // namespace tinyml::evaluation

namespace tinyml {

bool is_evaluable(std::string_view op) { return evaluation::find_operator(op) != nullptr; }

}  // namespace tinyml
