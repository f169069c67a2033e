// Model -> file.
#include <cstring>
#include <map>
#include <tuple>

#include "tflite/carried.h"
#include "tflite/options_codec.h"
#include "tflite/versions.h"
#include "tinyml/atomic_file.h"
#include "tinyml/error.h"

namespace tinyml::tflite {
namespace {

constexpr size_t kBufferAlignment = 16;
constexpr uint64_t kOutside = UINT64_MAX;     // Stands for an offset that is not known yet.
constexpr size_t kSmallContents = 64 * 1024;  // Always inside the flatbuffer.

size_t padding_after(size_t size) { return (kBufferAlignment - size % kBufferAlignment) % kBufferAlignment; }

// A flatbuffer and what stands behind it, each part at a multiple of 16.
struct File {
  flatbuffers::DetachedBuffer flatbuffer;
  std::vector<Buffer> outside;

  /// Calls `write(data, size)` for every part and the padding between them.
  template <class Write>
  void each_part(Write write) const {
    static constexpr std::byte kPadding[kBufferAlignment] = {};
    write(flatbuffer.data(), flatbuffer.size());
    size_t size = flatbuffer.size();
    for (const Buffer& buffer : outside) {
      write(kPadding, padding_after(size));
      write(buffer.data(), buffer.size());
      size = buffer.size();
    }
  }
};

class FileBuilder {
 public:
  FileBuilder(const Model& model, const WriteOptions& options)
      : model_(model), contents_(size_of_contents(model)), builder_(1 << 20) {
    stands_outside_ = size_of_tables(model) + contents_ > options.largest_flatbuffer;
    builder_ = flatbuffers::FlatBufferBuilder(size_of_tables(model) + (stands_outside_ ? 0 : contents_));
  }

  File build() {
    std::vector<flatbuffers::Offset<fb::SubGraph>> subgraphs;
    buffers_.push_back(fb::CreateBuffer(builder_));  // Number 0: "no data", by the format's convention.
    for (const Subgraph& subgraph : model_.subgraphs) subgraphs.push_back(write_subgraph(subgraph));

    std::vector<flatbuffers::Offset<fb::Metadata>> metadata;
    for (const Metadata& entry : model_.metadata) {
      const auto name = builder_.CreateString(entry.name);
      metadata.push_back(fb::CreateMetadata(builder_, name, write_buffer(entry.data)));
    }
    std::vector<flatbuffers::Offset<fb::SignatureDef>> signatures;
    for (const Signature& signature : model_.signatures) signatures.push_back(write_signature(signature));

    const auto codes = builder_.CreateVector(codes_);
    const auto subgraph_vector = builder_.CreateVector(subgraphs);
    const auto description = builder_.CreateString(model_.description);
    const auto buffers = builder_.CreateVector(buffers_);
    const auto metadata_vector = builder_.CreateVector(metadata);
    const auto signature_vector = builder_.CreateVector(signatures);
    const fb::ModelT carried = restore_model(model_);
    flatbuffers::Offset<flatbuffers::Vector<flatbuffers::Offset<fb::ExternalBufferGroup>>> groups = 0;
    flatbuffers::Offset<flatbuffers::Vector<flatbuffers::Offset<fb::ExternalBuffer>>> externals = 0;
    if (!model_.carried.empty()) {
      std::vector<flatbuffers::Offset<fb::ExternalBufferGroup>> group_items;
      for (const auto& group : carried.external_buffer_groups) {
        group_items.push_back(fb::CreateExternalBufferGroup(builder_, group.get()));
      }
      std::vector<flatbuffers::Offset<fb::ExternalBuffer>> external_items;
      for (const auto& external : carried.external_buffers) {
        external_items.push_back(fb::CreateExternalBuffer(builder_, external.get()));
      }
      groups = builder_.CreateVector(group_items);
      externals = builder_.CreateVector(external_items);
    }
    const auto root = fb::CreateModel(builder_, 3, codes, subgraph_vector, description, buffers, 0, metadata_vector,
                                      signature_vector, groups, externals);
    fb::FinishModelBuffer(builder_, root);
    File file{builder_.Release(), std::move(outside_)};
    place_outside(file);
    return file;
  }

 private:
  static size_t size_of_tables(const Model& model) {
    size_t size = 4096;
    for (const Subgraph& subgraph : model.subgraphs) {
      size += 256 * (subgraph.tensors.size() + subgraph.operators.size());
      for (const Tensor& tensor : subgraph.tensors) {
        size += 2 * tensor.name.size() + 12 * tensor.quantization.scale.size() + 2 * tensor.carried.size();
      }
    }
    return size;
  }

  static size_t size_of_contents(const Model& model) {
    size_t size = 0;
    std::map<const std::byte*, size_t> seen;
    const auto add = [&](const Buffer& buffer) {
      size_t& counted = seen[buffer.data()];
      if (buffer.size() > counted) {
        size += buffer.size() - counted;
        counted = buffer.size();
      }
    };
    for (const Subgraph& subgraph : model.subgraphs) {
      for (const Tensor& tensor : subgraph.tensors) add(tensor.buffer);
      for (const Operator& op : subgraph.operators) add(op.custom_options);
    }
    for (const Metadata& entry : model.metadata) add(entry.data);
    return size;
  }

  // The places of the contents outside are known when the flatbuffer's size is; until then they are numbered.
  static void place_outside(File& file) {
    if (file.outside.empty()) return;
    std::vector<uint64_t> offsets;
    uint64_t end = file.flatbuffer.size();
    for (const Buffer& buffer : file.outside) {
      offsets.push_back(end + padding_after(end));
      end = offsets.back() + buffer.size();
    }
    size_t next = 0;
    auto* buffers = fb::GetMutableModel(file.flatbuffer.data())->mutable_buffers();
    for (flatbuffers::uoffset_t i = 0; i < buffers->size(); ++i) {
      fb::Buffer* buffer = buffers->GetMutableObject(i);
      if (buffer->offset() == kOutside) TINYML_CHECK(buffer->mutate_offset(offsets[next++]));
    }
    TINYML_CHECK(next == offsets.size());
  }

  uint32_t write_buffer(const Buffer& buffer) {
    if (buffer.empty()) return 0;
    const auto [entry, is_new] =
        written_.try_emplace({buffer.data(), buffer.size()}, static_cast<uint32_t>(buffers_.size()));
    if (!is_new) return entry->second;
    if (stands_outside_ && buffer.size() > kSmallContents) {
      outside_.push_back(buffer);
      buffers_.push_back(fb::CreateBuffer(builder_, 0, kOutside, buffer.size()));
    } else {
      builder_.ForceVectorAlignment(buffer.size(), 1, kBufferAlignment);
      const auto data = builder_.CreateVector(reinterpret_cast<const uint8_t*>(buffer.data()), buffer.size());
      buffers_.push_back(fb::CreateBuffer(builder_, data));
    }
    return entry->second;
  }

  flatbuffers::Offset<fb::Tensor> write_tensor(const Tensor& tensor) {
    const uint32_t buffer = write_buffer(tensor.buffer);
    if (!tensor.carried.empty()) return write_carried(tensor, buffer);
    const auto name = builder_.CreateString(tensor.name);
    const auto shape = builder_.CreateVector(tensor.shape);
    flatbuffers::Offset<flatbuffers::Vector<int32_t>> signature = 0;
    if (!tensor.shape_signature.empty()) signature = builder_.CreateVector(tensor.shape_signature);
    flatbuffers::Offset<fb::QuantizationParameters> quantization = 0;
    if (!tensor.quantization.empty()) {
      const auto scale = builder_.CreateVector(tensor.quantization.scale);
      const auto zero_point = builder_.CreateVector(tensor.quantization.zero_point);
      fb::QuantizationParametersBuilder parameters(builder_);
      parameters.add_scale(scale);
      parameters.add_zero_point(zero_point);
      parameters.add_quantized_dimension(tensor.quantization.quantized_dimension);
      quantization = parameters.Finish();
    }
    return fb::CreateTensor(builder_, shape, static_cast<int8_t>(tensor.type), buffer, name, quantization,
                            tensor.is_variable, 0, signature, tensor.has_rank);
  }

  flatbuffers::Offset<fb::Tensor> write_carried(const Tensor& tensor, uint32_t buffer) {
    fb::TensorT whole = restore_tensor(tensor);
    whole.shape = tensor.shape;
    whole.type = static_cast<int8_t>(tensor.type);
    whole.buffer = buffer;
    whole.name = tensor.name;
    whole.is_variable = tensor.is_variable;
    whole.shape_signature = tensor.shape_signature;
    whole.has_rank = tensor.has_rank;
    if (!tensor.quantization.empty() && whole.quantization == nullptr) {
      whole.quantization = std::make_unique<fb::QuantizationParametersT>();
    }
    if (whole.quantization != nullptr) {
      whole.quantization->scale = tensor.quantization.scale;
      whole.quantization->zero_point = tensor.quantization.zero_point;
      whole.quantization->quantized_dimension = tensor.quantization.quantized_dimension;
    }
    return fb::CreateTensor(builder_, &whole);
  }

  uint32_t operator_code(const Operator& op, int version) {
    const auto [entry, is_new] =
        code_index_.try_emplace({op.op, op.custom_code, version}, static_cast<uint32_t>(codes_.size()));
    if (is_new) {
      const auto number = static_cast<int32_t>(op.op);
      const flatbuffers::Offset<flatbuffers::String> name =
          op.custom_code.empty() ? 0 : builder_.CreateString(op.custom_code);
      codes_.push_back(
          fb::CreateOperatorCode(builder_, static_cast<int8_t>(std::min(number, 127)), name, version, number));
    }
    return entry->second;
  }

  flatbuffers::Offset<fb::Operator> write_operator(const Subgraph& subgraph, const Operator& op) {
    if (op.channels_first) {
      throw Error(std::string(to_string(op.op)) + " is still in logical (channels first) form",
                  "call assign_layout before writing");
    }
    CarriedUnions carried;
    const auto* kept = std::get_if<CarriedOptions>(&op.options);
    if (kept != nullptr) carried = restore_options(*kept);
    fb::BuiltinOptionsUnion& options = carried.options;
    if (kept == nullptr) options = encode_options(op.op, op.options);
    auto* reshape = options.AsReshapeOptions();
    if (reshape != nullptr && reshape->new_shape.empty() && !op.outputs.empty() && op.outputs[0] >= 0) {
      const Tensor& out = subgraph.tensors.at(static_cast<size_t>(op.outputs[0]));
      reshape->new_shape = out.shape_signature.empty() ? out.shape : out.shape_signature;
    }
    const auto table = options.type == fb::BuiltinOptions::NONE ? 0 : options.Pack(builder_);
    const auto inputs = builder_.CreateVector(op.inputs);
    const auto outputs = builder_.CreateVector(op.outputs);
    flatbuffers::Offset<flatbuffers::Vector<uint8_t>> custom = 0;
    if (!op.custom_options.empty()) {
      custom =
          builder_.CreateVector(reinterpret_cast<const uint8_t*>(op.custom_options.data()), op.custom_options.size());
    }
    flatbuffers::Offset<flatbuffers::Vector<int32_t>> intermediates = 0;
    if (!op.intermediates.empty()) intermediates = builder_.CreateVector(op.intermediates);
    flatbuffers::Offset<flatbuffers::Vector<uint8_t>> mutating = 0;
    if (!op.mutating_variable_inputs.empty()) mutating = builder_.CreateVector(op.mutating_variable_inputs);
    const auto type_2 = carried.options_2.type;
    const auto table_2 = type_2 == fb::BuiltinOptions2::NONE ? 0 : carried.options_2.Pack(builder_);
    return fb::CreateOperator(builder_, operator_code(op, operator_version(subgraph, op)), inputs, outputs,
                              options.type, table, custom, 0, mutating, intermediates, 0, 0, type_2, table_2,
                              op.debug_metadata_index);
  }

  flatbuffers::Offset<fb::SubGraph> write_subgraph(const Subgraph& subgraph) {
    std::vector<flatbuffers::Offset<fb::Tensor>> tensors;
    tensors.reserve(subgraph.tensors.size());
    for (const Tensor& tensor : subgraph.tensors) tensors.push_back(write_tensor(tensor));
    std::vector<flatbuffers::Offset<fb::Operator>> operators;
    operators.reserve(subgraph.operators.size());
    for (const Operator& op : subgraph.operators) operators.push_back(write_operator(subgraph, op));
    const auto tensor_vector = builder_.CreateVector(tensors);
    const auto inputs = builder_.CreateVector(subgraph.inputs);
    const auto outputs = builder_.CreateVector(subgraph.outputs);
    const auto operator_vector = builder_.CreateVector(operators);
    const auto name = builder_.CreateString(subgraph.name);
    return fb::CreateSubGraph(builder_, tensor_vector, inputs, outputs, operator_vector, name,
                              subgraph.debug_metadata_index);
  }

  flatbuffers::Offset<fb::SignatureDef> write_signature(const Signature& signature) {
    const auto write_map = [&](const std::vector<std::pair<std::string, int>>& entries) {
      std::vector<flatbuffers::Offset<fb::TensorMap>> maps;
      for (const auto& [name, tensor] : entries) {
        maps.push_back(fb::CreateTensorMap(builder_, builder_.CreateString(name), static_cast<uint32_t>(tensor)));
      }
      return builder_.CreateVector(maps);
    };
    const auto inputs = write_map(signature.inputs);
    const auto outputs = write_map(signature.outputs);
    const auto key = builder_.CreateString(signature.key);
    return fb::CreateSignatureDef(builder_, inputs, outputs, key, static_cast<uint32_t>(signature.subgraph));
  }

  const Model& model_;
  size_t contents_;
  bool stands_outside_ = false;
  flatbuffers::FlatBufferBuilder builder_;
  std::vector<Buffer> outside_;
  std::vector<flatbuffers::Offset<fb::Buffer>> buffers_;
  std::vector<flatbuffers::Offset<fb::OperatorCode>> codes_;
  std::map<std::pair<const std::byte*, size_t>, uint32_t> written_;
  std::map<std::tuple<Op, std::string, int>, uint32_t> code_index_;
};

}  // namespace

std::vector<std::byte> serialize_tflite(const Model& model, const WriteOptions& options) {
  const File file = FileBuilder(model, options).build();
  std::vector<std::byte> bytes;
  file.each_part([&](const void* data, size_t size) {
    const auto* begin = static_cast<const std::byte*>(data);
    bytes.insert(bytes.end(), begin, begin + size);
  });
  return bytes;
}

void write_tflite(const Model& model, const std::string& path) {
  const File file = FileBuilder(model, {}).build();
  AtomicFile target(path);
  file.each_part([&](const void* data, size_t size) { target.write(data, size); });
  target.commit();
}

}  // namespace tinyml::tflite
