// What a target runs, as data: one table a target, one row an operator.
#pragma once

#include <cstdint>
#include <span>

#include "tflite/passes/quantized_forms.h"
#include "tinyml/tflite_target.h"

namespace tinyml::tflite {

/// Element types of an operator's values, as a set.
using TypeSet = uint32_t;
constexpr TypeSet kF32 = 1, kF16 = 2, kI8 = 4, kU8 = 8, kI16 = 16, kI32 = 32, kI64 = 64, kBool = 128;
constexpr TypeSet kAny = ~TypeSet{0};
constexpr TypeSet kNumbers = kF32 | kI32 | kI64;
constexpr TypeSet kBytes = kI8 | kU8;

struct TargetRow {
  Op op;
  TypeSet types;                                ///< Of the operator's first value that a kernel is there for.
  QuantizedForm form = QuantizedForm::kIsland;  ///< How values with a scale run.
};

std::span<const TargetRow> litert_table();
std::span<const TargetRow> litert_builtin_table();
std::span<const TargetRow> tflite_micro_table();
std::span<const TargetRow> ethos_u_table();

/// The target's row for an operator; nullptr when it has no kernel for it.
const TargetRow* find_row(Target target, Op op);

/// Why Vela leaves the operator to the CPU; empty when the NPU takes it.
std::string ethos_u_limit(const Subgraph& subgraph, const Operator& op);

}  // namespace tinyml::tflite
