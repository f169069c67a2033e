// Model -> file.
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <map>
#include <tuple>

#include "tflite/options_codec.h"
#include "tflite/versions.h"
#include "tinyml/error.h"

namespace tinyml::tflite {
namespace {

constexpr size_t kBufferAlignment = 16;
constexpr size_t kLargestFile = (size_t{1} << 31) - 1;  // A flatbuffer's offsets are 32-bit.

class FileBuilder {
 public:
  explicit FileBuilder(const Model& model) : model_(model), builder_(expected_size(model)) {}

  flatbuffers::DetachedBuffer build() {
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
    const auto root = fb::CreateModel(builder_, 3, codes, subgraph_vector, description, buffers, 0, metadata_vector,
                                      signature_vector);
    fb::FinishModelBuffer(builder_, root);
    return builder_.Release();
  }

 private:
  static size_t expected_size(const Model& model) {
    size_t size = 4096;
    std::map<const std::byte*, size_t> seen;
    for (const Subgraph& subgraph : model.subgraphs) {
      size += 256 * (subgraph.tensors.size() + subgraph.operators.size());
      for (const Tensor& tensor : subgraph.tensors) {
        size += 2 * tensor.name.size() + 12 * tensor.quantization.scale.size();
        size_t& counted = seen[tensor.buffer.data()];
        if (tensor.buffer.size() > counted) {
          size += tensor.buffer.size() - counted;
          counted = tensor.buffer.size();
        }
      }
    }
    for (const Metadata& entry : model.metadata) size += entry.data.size();
    if (size > kLargestFile) {
      throw Error(
          "the model has " + std::to_string(size) + " bytes of weights, over the 2 GB that a .tflite file holds",
          "quantize the weights or split the model");
    }
    return size;
  }

  uint32_t write_buffer(const Buffer& buffer) {
    if (buffer.empty()) return 0;
    const auto [entry, is_new] =
        written_.try_emplace({buffer.data(), buffer.size()}, static_cast<uint32_t>(buffers_.size()));
    if (is_new) {
      builder_.ForceVectorAlignment(buffer.size(), 1, kBufferAlignment);
      const auto data = builder_.CreateVector(reinterpret_cast<const uint8_t*>(buffer.data()), buffer.size());
      buffers_.push_back(fb::CreateBuffer(builder_, data));
    }
    return entry->second;
  }

  flatbuffers::Offset<fb::Tensor> write_tensor(const Tensor& tensor) {
    const uint32_t buffer = write_buffer(tensor.buffer);
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
                            tensor.is_variable, 0, signature, true);
  }

  uint32_t operator_code(const Operator& op, int version) {
    const auto [entry, is_new] =
        code_index_.try_emplace({op.op, op.custom_code, version}, static_cast<uint32_t>(codes_.size()));
    if (is_new) {
      const auto number = static_cast<int32_t>(op.op);
      const flatbuffers::Offset<flatbuffers::String> name =
          op.op == Op::CUSTOM ? builder_.CreateString(op.custom_code) : 0;
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
    fb::BuiltinOptionsUnion options = encode_options(op.op, op.options);
    if (auto* reshape = options.AsReshapeOptions(); reshape != nullptr && reshape->new_shape.empty()) {
      const Tensor& out = subgraph.tensors.at(static_cast<size_t>(op.outputs.at(0)));
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
    return fb::CreateOperator(builder_, operator_code(op, operator_version(subgraph, op)), inputs, outputs,
                              options.type, table, custom, 0, 0, intermediates);
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
    return fb::CreateSubGraph(builder_, tensor_vector, inputs, outputs, operator_vector, name);
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
  flatbuffers::FlatBufferBuilder builder_;
  std::vector<flatbuffers::Offset<fb::Buffer>> buffers_;
  std::vector<flatbuffers::Offset<fb::OperatorCode>> codes_;
  std::map<std::pair<const std::byte*, size_t>, uint32_t> written_;
  std::map<std::tuple<Op, std::string, int>, uint32_t> code_index_;
};

}  // namespace

std::vector<std::byte> serialize_tflite(const Model& model) {
  const flatbuffers::DetachedBuffer file = FileBuilder(model).build();
  const auto* bytes = reinterpret_cast<const std::byte*>(file.data());
  return {bytes, bytes + file.size()};
}

void write_tflite(const Model& model, const std::string& path) {
  const flatbuffers::DetachedBuffer file = FileBuilder(model).build();
  const std::string temporary = path + ".tmp";
  std::FILE* stream = std::fopen(temporary.c_str(), "wb");
  if (stream == nullptr) throw Error("cannot write " + temporary + ": " + std::strerror(errno));
  const bool written = std::fwrite(file.data(), 1, file.size(), stream) == file.size();
  const bool closed = std::fclose(stream) == 0;
  if (!written || !closed || std::rename(temporary.c_str(), path.c_str()) != 0) {
    const std::string reason = std::strerror(errno);
    std::remove(temporary.c_str());
    throw Error("cannot write " + path + ": " + reason);
  }
}

}  // namespace tinyml::tflite
