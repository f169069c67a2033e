#include "tflite/carried.h"

#include "tinyml/error.h"

namespace tinyml::tflite {
namespace {

template <class Table>
std::vector<uint8_t> pack(const typename Table::NativeTableType& object) {
  flatbuffers::FlatBufferBuilder builder;
  builder.Finish(Table::Pack(builder, &object));
  return {builder.GetBufferPointer(), builder.GetBufferPointer() + builder.GetSize()};
}

template <class Table>
const Table& root_of(const uint8_t* data, size_t size) {
  flatbuffers::Verifier verifier(data, size);
  if (!verifier.VerifyBuffer<Table>(nullptr)) throw Error("what was carried over from another file is damaged");
  return *flatbuffers::GetRoot<Table>(data);
}

// Whether a table of unknown type holds any field at all.
bool has_fields(const void* table) {
  if (table == nullptr) return false;
  const uint8_t* vtable = static_cast<const flatbuffers::Table*>(table)->GetVTable();
  const auto size = flatbuffers::ReadScalar<flatbuffers::voffset_t>(vtable);
  for (size_t at = 4; at + 1 < size; at += 2) {
    if (flatbuffers::ReadScalar<flatbuffers::voffset_t>(vtable + at) != 0) return true;
  }
  return false;
}

// A union may name a type and hold nothing, which packing does not expect.
template <typename Union>
void reset_if_empty(Union& held) {
  if (held.value == nullptr) held.Reset();
}

const uint8_t* bytes_of(const Buffer& buffer) { return reinterpret_cast<const uint8_t*>(buffer.data()); }

}  // namespace

Options carry_options(const fb::Operator& source) {
  // What stands beside a type of none is of no meaning, and the verifier has not seen it.
  const void* options = source.builtin_options_type() == fb::BuiltinOptions::NONE ? nullptr : source.builtin_options();
  const void* others =
      source.builtin_options_2_type() == fb::BuiltinOptions2::NONE ? nullptr : source.builtin_options_2();
  fb::OperatorT kept;
  if (options != nullptr) {
    kept.builtin_options.type = source.builtin_options_type();
    kept.builtin_options.value = fb::BuiltinOptionsUnion::UnPack(options, source.builtin_options_type(), nullptr);
  }
  if (others != nullptr) {
    kept.builtin_options_2.type = source.builtin_options_2_type();
    kept.builtin_options_2.value = fb::BuiltinOptions2Union::UnPack(others, source.builtin_options_2_type(), nullptr);
  }
  std::vector<uint8_t> packed = pack<fb::Operator>(kept);
  // Tables without fields, which most operators have, say nothing; nor do fields that repeat a default, which packing
  // leaves out.
  const auto& left = *flatbuffers::GetRoot<fb::Operator>(packed.data());
  if (!has_fields(left.builtin_options()) && !has_fields(left.builtin_options_2())) return {};
  return CarriedOptions{std::move(packed)};
}

CarriedUnions restore_options(const CarriedOptions& carried) {
  fb::OperatorT kept;
  root_of<fb::Operator>(carried.table.data(), carried.table.size()).UnPackTo(&kept);
  return {std::move(kept.builtin_options), std::move(kept.builtin_options_2)};
}

void carry_tensor(const fb::Tensor& source, Tensor& tensor) {
  const fb::QuantizationParameters* q = source.quantization();
  // What is empty, or of no type, is not written: it must not decide here either.
  const bool statistics = q != nullptr && (count_of(q->min()) != 0 || count_of(q->max()) != 0);
  const bool details = q != nullptr && q->details_type() != fb::QuantizationDetails::NONE && q->details() != nullptr;
  tensor.has_rank = source.has_rank();
  tensor.opaque = details || source.sparsity() != nullptr || source.external_buffer() != 0;
  if (!tensor.opaque && !statistics && count_of(source.variant_tensors()) == 0) return;
  fb::TensorT all;
  source.UnPackTo(&all);
  fb::TensorT kept;
  kept.sparsity = std::move(all.sparsity);
  kept.variant_tensors = std::move(all.variant_tensors);
  kept.external_buffer = all.external_buffer;
  if (kept.sparsity != nullptr) {
    for (const auto& dimension : kept.sparsity->dim_metadata) {
      if (dimension == nullptr) continue;
      reset_if_empty(dimension->array_segments);
      reset_if_empty(dimension->array_indices);
    }
  }
  if (all.quantization != nullptr) {
    kept.quantization = std::move(all.quantization);
    kept.quantization->scale.clear();
    kept.quantization->zero_point.clear();
    reset_if_empty(kept.quantization->details);
    if (const auto* blocks = kept.quantization->details.AsBlockwiseQuantization(); blocks != nullptr) {
      tensor.related = {blocks->scales, blocks->zero_points};
    } else if (const auto* axes = kept.quantization->details.AsMultiAxisQuantization(); axes != nullptr) {
      tensor.related = {axes->scales, axes->zero_points};
    }
  }
  tensor.carried = Buffer::of(pack<fb::Tensor>(kept));
}

fb::TensorT restore_tensor(const Tensor& tensor) {
  fb::TensorT kept;
  root_of<fb::Tensor>(bytes_of(tensor.carried), tensor.carried.size()).UnPackTo(&kept);
  if (kept.quantization != nullptr && tensor.related.size() == 2) {
    if (auto* blocks = kept.quantization->details.AsBlockwiseQuantization(); blocks != nullptr) {
      blocks->scales = tensor.related[0], blocks->zero_points = tensor.related[1];
    } else if (auto* axes = kept.quantization->details.AsMultiAxisQuantization(); axes != nullptr) {
      axes->scales = tensor.related[0], axes->zero_points = tensor.related[1];
    }
  }
  return kept;
}

Buffer carry_model(const fb::Model& source) {
  if (count_of(source.external_buffers()) == 0 && count_of(source.external_buffer_groups()) == 0) return {};
  fb::ModelT kept;
  const auto* groups = source.external_buffer_groups();
  for (flatbuffers::uoffset_t i = 0; groups != nullptr && i < groups->size(); ++i) {
    kept.external_buffer_groups.emplace_back(groups->Get(i)->UnPack());
  }
  const auto* buffers = source.external_buffers();
  for (flatbuffers::uoffset_t i = 0; buffers != nullptr && i < buffers->size(); ++i) {
    kept.external_buffers.emplace_back(buffers->Get(i)->UnPack());
  }
  return Buffer::of(pack<fb::Model>(kept));
}

fb::ModelT restore_model(const Model& model) {
  fb::ModelT kept;
  if (!model.carried.empty()) root_of<fb::Model>(bytes_of(model.carried), model.carried.size()).UnPackTo(&kept);
  return kept;
}

}  // namespace tinyml::tflite
