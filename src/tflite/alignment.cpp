#include "tflite/alignment.h"

namespace tinyml::tflite {
namespace {

template <typename Table, auto... kFields>
bool all_aligned(const void* file, const fb::Operator& op) {
  const auto& table = *static_cast<const Table*>(op.builtin_options_2());
  return (is_aligned(file, (table.*kFields)()) && ...);
}

}  // namespace

bool is_aligned(const void* file, const flatbuffers::Vector<int64_t>* vector) {
  if (vector == nullptr || vector->size() == 0) return true;
  return (vector->Data() - static_cast<const uint8_t*>(file)) % static_cast<std::ptrdiff_t>(alignof(int64_t)) == 0;
}

bool has_aligned_options(const void* file, const fb::Operator& op) {
  using namespace fb;
  if (op.builtin_options_2() == nullptr) return true;
  switch (op.builtin_options_2_type()) {
    case BuiltinOptions2::StablehloGatherOptions: {
      using T = StablehloGatherOptions;
      return all_aligned<T, &T::offset_dims, &T::collapsed_slice_dims, &T::start_index_map, &T::slice_sizes>(file, op);
    }
    case BuiltinOptions2::StablehloTransposeOptions:
      return all_aligned<StablehloTransposeOptions, &StablehloTransposeOptions::permutation>(file, op);
    case BuiltinOptions2::StablehloDotGeneralOptions: {
      using T = StablehloDotGeneralOptions;
      return all_aligned<T, &T::lhs_batching_dimensions, &T::rhs_batching_dimensions, &T::lhs_contracting_dimensions,
                         &T::rhs_contracting_dimensions>(file, op);
    }
    case BuiltinOptions2::StablehloReduceWindowOptions: {
      using T = StablehloReduceWindowOptions;
      return all_aligned<T, &T::window_dimensions, &T::window_strides, &T::base_dilations, &T::window_dilations,
                         &T::padding>(file, op);
    }
    case BuiltinOptions2::StablehloBroadcastInDimOptions:
      return all_aligned<StablehloBroadcastInDimOptions, &StablehloBroadcastInDimOptions::broadcast_dimensions>(file,
                                                                                                                op);
    case BuiltinOptions2::StablehloDynamicSliceOptions:
      return all_aligned<StablehloDynamicSliceOptions, &StablehloDynamicSliceOptions::slice_sizes>(file, op);
    case BuiltinOptions2::StablehloPadOptions: {
      using T = StablehloPadOptions;
      return all_aligned<T, &T::edge_padding_low, &T::edge_padding_high, &T::interior_padding>(file, op);
    }
    case BuiltinOptions2::StablehloReduceOptions:
      return all_aligned<StablehloReduceOptions, &StablehloReduceOptions::dimensions>(file, op);
    case BuiltinOptions2::StablehloSliceOptions: {
      using T = StablehloSliceOptions;
      return all_aligned<T, &T::start_indices, &T::limit_indices, &T::strides>(file, op);
    }
    case BuiltinOptions2::StablehloConvolutionOptions: {
      using T = StablehloConvolutionOptions;
      return all_aligned<T, &T::window_strides, &T::padding, &T::lhs_dilation, &T::rhs_dilation,
                         &T::input_spatial_dimensions, &T::kernel_spatial_dimensions, &T::output_spatial_dimensions>(
          file, op);
    }
    case BuiltinOptions2::StablehloScatterOptions: {
      using T = StablehloScatterOptions;
      return all_aligned<T, &T::update_window_dims, &T::inserted_window_dims, &T::scatter_dims_to_operand_dims>(file,
                                                                                                                op);
    }
    default:
      return true;
  }
}

}  // namespace tinyml::tflite
