// File -> model.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "graph/mapped_file.h"
#include "tflite/alignment.h"
#include "tflite/carried.h"
#include "tflite/options_codec.h"
#include "tflite/unknown_fields.h"
#include "tinyml/error.h"
#include "tinyml/tflite.h"

namespace tinyml::tflite {
namespace {

constexpr uint32_t kMaxDepth = 64;
constexpr uint32_t kMaxTables = 10'000'000;

/// A flatbuffer vector that may be absent.
template <typename T>
std::vector<T> values_of(const flatbuffers::Vector<T>* vector) {
  return vector == nullptr ? std::vector<T>{} : std::vector<T>(vector->begin(), vector->end());
}

std::string text_of(const flatbuffers::String* text) { return text == nullptr ? std::string{} : text->str(); }

class FileReader {
 public:
  FileReader(std::span<const std::byte> file, std::shared_ptr<const void> owner)
      : file_(file), owner_(std::move(owner)) {}

  Model read() {
    const auto* bytes = reinterpret_cast<const uint8_t*>(file_.data());
    if (file_.size() < 16 || !fb::ModelBufferHasIdentifier(bytes)) {
      throw Error("this is not a TFLite model: the identifier TFL3 is missing");
    }
    // Beyond what a flatbuffer can address stand the contents of large models.
    const size_t addressed = std::min<size_t>(file_.size(), FLATBUFFERS_MAX_BUFFER_SIZE - 1);
    flatbuffers::Verifier verifier(bytes, addressed, kMaxDepth, kMaxTables);
    if (!fb::VerifyModelBuffer(verifier)) throw Error("the TFLite file is damaged: its tables do not fit the file");
    const fb::Model& source = *fb::GetModel(bytes);
    if (source.version() != 3) problem(fmt::format("the schema version is {}, not 3", source.version()));

    for (const std::string& unknown : find_unknown_fields(source)) {
      problem(unknown + " is not known here and would get lost", "the file is newer than this tinyml: update tinyml");
    }
    if (!problems_.empty()) throw Error("the TFLite file cannot be read:", std::move(problems_));
    read_codes(source);
    Model model;
    model.description = text_of(source.description());
    for (size_t i = 0; i < count_of(source.subgraphs()); ++i) {
      const fb::SubGraph* subgraph = source.subgraphs()->Get(static_cast<uint32_t>(i));
      where_ = fmt::format("subgraph {}", i);
      model.subgraphs.push_back(read_subgraph(source, *subgraph));
    }
    where_ = "model";
    if (model.subgraphs.empty()) problem("the model has no subgraph");
    for (size_t i = 0; i < count_of(source.metadata()); ++i) {
      const fb::Metadata& entry = *source.metadata()->Get(static_cast<uint32_t>(i));
      model.metadata.push_back({text_of(entry.name()), read_buffer(source, entry.buffer())});
    }
    for (size_t i = 0; i < count_of(source.signature_defs()); ++i) {
      model.signatures.push_back(read_signature(*source.signature_defs()->Get(static_cast<uint32_t>(i)), model));
    }
    model.carried = carry_model(source);
    if (!problems_.empty()) throw Error("the TFLite file cannot be read:", std::move(problems_));
    return model;
  }

 private:
  void problem(std::string what, std::string remedy = "") {
    problems_.push_back({where_.empty() ? std::move(what) : where_ + ": " + what, {}, {}, std::move(remedy)});
  }

  void read_codes(const fb::Model& source) {
    where_ = "operator codes";
    for (size_t i = 0; i < count_of(source.operator_codes()); ++i) {
      const fb::OperatorCode& code = *source.operator_codes()->Get(static_cast<uint32_t>(i));
      const int number = std::max(code.builtin_code(), static_cast<int32_t>(code.deprecated_builtin_code()));
      if (number < 0) problem(fmt::format("operator number {} is negative", number));
      codes_.push_back({static_cast<Op>(number), text_of(code.custom_code()), code.version()});
    }
  }

  // Contents behind the flatbuffer.
  Buffer outside(uint64_t offset, uint64_t size, const std::string& name) {
    if (offset > file_.size() || size > file_.size() - offset) {
      problem(fmt::format("the contents of {} lie outside the file", name));
      return {};
    }
    return Buffer::alias(owner_, file_.data() + offset, size);
  }

  Buffer read_buffer(const fb::Model& source, uint32_t index) {
    if (index == 0 && count_of(source.buffers()) == 0) return {};
    if (index >= count_of(source.buffers())) {
      problem(fmt::format("buffer {} does not exist", index));
      return {};
    }
    const fb::Buffer& buffer = *source.buffers()->Get(index);
    if (buffer.offset() > 1) return outside(buffer.offset(), buffer.size(), fmt::format("buffer {}", index));
    if (count_of(buffer.data()) == 0) return {};
    return Buffer::alias(owner_, buffer.data()->data(), buffer.data()->size());
  }

  Quantization read_quantization(const fb::QuantizationParameters* source, const Tensor& tensor) {
    Quantization quantization;
    if (source == nullptr || count_of(source->scale()) == 0) return quantization;
    quantization.scale = values_of(source->scale());
    quantization.zero_point = values_of(source->zero_point());
    quantization.quantized_dimension = source->quantized_dimension();
    const size_t channels = quantization.scale.size();
    if (quantization.zero_point.empty()) quantization.zero_point.assign(channels, 0);
    if (quantization.zero_point.size() == 1 && channels > 1) {
      quantization.zero_point.assign(channels, quantization.zero_point[0]);
    }
    if (quantization.zero_point.size() != channels) {
      problem(fmt::format("tensor '{}' has {} scales but {} zero points", tensor.name, channels,
                          quantization.zero_point.size()));
    }
    for (const int64_t zero : quantization.zero_point) {
      if (std::in_range<int32_t>(zero)) continue;
      problem(fmt::format("tensor '{}' has the zero point {}, which no runtime can hold", tensor.name, zero));
      break;
    }
    return quantization;
  }

  Tensor read_tensor(const fb::Model& source, const fb::Tensor& from) {
    Tensor tensor;
    tensor.name = text_of(from.name());
    tensor.type = static_cast<Type>(from.type());
    tensor.shape = values_of(from.shape());
    tensor.shape_signature = values_of(from.shape_signature());
    tensor.is_variable = from.is_variable();
    if (to_string(tensor.type).empty()) {
      problem(fmt::format("tensor '{}' has the unknown element type {}", tensor.name, static_cast<int>(from.type())));
      return tensor;
    }
    if (!tensor.shape_signature.empty() && tensor.shape_signature.size() != tensor.shape.size()) {
      problem(fmt::format("the shape signature of tensor '{}' has another rank than its shape", tensor.name));
    }
    for (int32_t size : tensor.shape) {
      if (size < 0) {
        problem(fmt::format("tensor '{}' has a negative size", tensor.name));
        return tensor;
      }
    }
    if (from.quantization() != nullptr && !is_aligned(file_.data(), from.quantization()->zero_point())) {
      problem(fmt::format("the zero points of tensor '{}' do not lie at a multiple of 8 bytes", tensor.name));
      return tensor;
    }
    carry_tensor(from, tensor);
    tensor.quantization = read_quantization(from.quantization(), tensor);
    tensor.buffer = read_buffer(source, from.buffer());
    if (!tensor.opaque) check_size(tensor);
    return tensor;
  }

  void check_size(const Tensor& tensor) {
    if (tensor.buffer.empty() || bits_of(tensor.type) == 0) return;
    int64_t expected = -1;
    try {
      expected = byte_count(tensor.type, tensor.shape);
    } catch (const Error& error) {
      problem(fmt::format("tensor '{}': {}", tensor.name, error.what()));
      return;
    }
    if (static_cast<int64_t>(tensor.buffer.size()) != expected) {
      problem(fmt::format("constant '{}' has {} bytes where its shape needs {}", tensor.name, tensor.buffer.size(),
                          expected));
    }
  }

  std::vector<int> read_ids(const flatbuffers::Vector<int32_t>* source, const Subgraph& subgraph, bool optional,
                            const std::string& user) {
    return checked_ids(values_of(source), subgraph, optional, user);
  }

  std::vector<int> checked_ids(std::vector<int> ids, const Subgraph& subgraph, bool optional, const std::string& user) {
    for (int id : ids) {
      const bool absent = id == kNoTensor && optional;
      if (!absent && (id < 0 || static_cast<size_t>(id) >= subgraph.tensors.size())) {
        problem(fmt::format("{} names tensor {}, which does not exist", user, id));
      }
    }
    return ids;
  }

  Options read_options(const fb::Operator& source, const Operator& op, const std::string& name) {
    if (!has_aligned_options(file_.data(), source)) {
      problem(name + ": its options do not lie at a multiple of 8 bytes");
      return {};
    }
    if (!has_options(op.op)) return carry_options(source);
    if (source.builtin_options_2() != nullptr) problem(name + " has the options of another operator");
    fb::BuiltinOptionsUnion table;
    if (source.builtin_options() != nullptr) {
      table.value = fb::BuiltinOptionsUnion::UnPack(source.builtin_options(), source.builtin_options_type(), nullptr);
      if (table.value != nullptr) table.type = source.builtin_options_type();
    }
    try {
      return decode_options(op.op, table);
    } catch (const Error& error) {
      problem(name + ": " + error.what());
      return {};
    }
  }

  Operator read_operator(const fb::Operator& source, const Subgraph& subgraph, size_t position) {
    Operator op;
    if (source.opcode_index() >= codes_.size()) {
      problem(fmt::format("operator {} has the code {}, which does not exist", position, source.opcode_index()));
      return op;
    }
    const Code& code = codes_[source.opcode_index()];
    op.op = code.op;
    op.custom_code = code.custom_code;
    op.version = code.version;
    op.debug_metadata_index = source.debug_metadata_index();
    op.mutating_variable_inputs = values_of(source.mutating_variable_inputs());
    const std::string name = fmt::format("operator {} ({})", position, name_of(op));
    op.inputs = read_ids(source.inputs(), subgraph, true, name);
    op.outputs = read_ids(source.outputs(), subgraph, false, name);
    op.intermediates = read_ids(source.intermediates(), subgraph, true, name);
    if (count_of(source.custom_options()) > 0) {
      op.custom_options = Buffer::alias(owner_, source.custom_options()->data(), source.custom_options()->size());
    }
    if (source.large_custom_options_offset() > 1) {
      op.custom_options = outside(source.large_custom_options_offset(), source.large_custom_options_size(), name);
    }
    op.options = read_options(source, op, name);
    return op;
  }

  Subgraph read_subgraph(const fb::Model& model, const fb::SubGraph& source) {
    Subgraph subgraph;
    subgraph.name = text_of(source.name());
    subgraph.debug_metadata_index = source.debug_metadata_index();
    for (size_t i = 0; i < count_of(source.tensors()); ++i) {
      subgraph.tensors.push_back(read_tensor(model, *source.tensors()->Get(static_cast<uint32_t>(i))));
    }
    for (size_t i = 0; i < count_of(source.operators()); ++i) {
      subgraph.operators.push_back(read_operator(*source.operators()->Get(static_cast<uint32_t>(i)), subgraph, i));
    }
    for (Tensor& tensor : subgraph.tensors) {
      tensor.related = checked_ids(std::move(tensor.related), subgraph, true, "the scales of '" + tensor.name + "'");
    }
    subgraph.inputs = read_ids(source.inputs(), subgraph, false, "the list of inputs");
    subgraph.outputs = read_ids(source.outputs(), subgraph, false, "the list of outputs");
    return subgraph;
  }

  Signature read_signature(const fb::SignatureDef& source, const Model& model) {
    Signature signature;
    signature.key = text_of(source.signature_key());
    signature.subgraph = static_cast<int>(source.subgraph_index());
    if (source.subgraph_index() >= model.subgraphs.size()) {
      problem(fmt::format("signature '{}' names subgraph {}, which does not exist", signature.key,
                          source.subgraph_index()));
      return signature;
    }
    const size_t tensors = model.subgraphs[source.subgraph_index()].tensors.size();
    const auto read_map = [&](const auto* entries, std::vector<std::pair<std::string, int>>& out) {
      for (size_t i = 0; i < count_of(entries); ++i) {
        const fb::TensorMap& entry = *entries->Get(static_cast<uint32_t>(i));
        if (entry.tensor_index() >= tensors) {
          problem(
              fmt::format("signature '{}' names tensor {}, which does not exist", signature.key, entry.tensor_index()));
        }
        out.emplace_back(text_of(entry.name()), static_cast<int>(entry.tensor_index()));
      }
    };
    read_map(source.inputs(), signature.inputs);
    read_map(source.outputs(), signature.outputs);
    return signature;
  }

  std::span<const std::byte> file_;
  std::shared_ptr<const void> owner_;
  struct Code {
    Op op;
    std::string custom_code;
    int version;
  };
  std::vector<Code> codes_;
  std::string where_;
  std::vector<Diagnostic> problems_;
};

}  // namespace

Model read_tflite(std::span<const std::byte> file, std::shared_ptr<const void> owner) {
  return FileReader(file, std::move(owner)).read();
}

Model read_tflite(const std::string& path) {
  const Storage file = map_file(path);
  try {
    return read_tflite({file.data(), file.size()}, file.owner());
  } catch (const Error& error) {
    std::vector<Diagnostic> diagnostics = error.diagnostics();
    throw Error(path + ":", std::move(diagnostics));
  }
}

}  // namespace tinyml::tflite
