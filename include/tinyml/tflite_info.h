// What a TFLite model costs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tinyml/tflite.h"

namespace tinyml::tflite {

/// Multiplications with accumulation in one run of the subgraph: convolutions, transposed convolutions, FULLY_CONNECTED
/// and BATCH_MATMUL; dynamic sizes count as those of the example. Operators that it calls are not followed.
int64_t count_macs(const Subgraph& subgraph);

/// Bytes of all constants, each place in memory once.
size_t count_constant_bytes(const Model& model);

/// Where the runtime may put the activations of one run.
struct ArenaPlan {
  size_t bytes = 0;              ///< Size of the arena.
  std::vector<int64_t> offsets;  ///< By tensor; -1 for constants and those of no fixed size.
};

/// Greedy by size (Pisarchyk and Lee, "Efficient Memory Management for Deep Neural Net Inference", 2020), which the
/// runtimes use: the largest tensors first, each at the lowest offset where it overlaps none that is alive at the same
/// time. A kernel's own scratch memory is not counted. `alignment`: 64 bytes in LiteRT, 16 in TFLite Micro.
ArenaPlan plan_arena(const Subgraph& subgraph, size_t alignment = 64);

/// How many operators of each kind all subgraphs hold: {"CONV_2D": 52, ...}.
std::map<std::string, int> count_operators(const Model& model);

}  // namespace tinyml::tflite
