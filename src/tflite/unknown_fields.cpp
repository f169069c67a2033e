#include "tflite/unknown_fields.h"

#include <fmt/format.h>

#include <set>

namespace tinyml::tflite {
namespace {

using flatbuffers::TypeCode;
using flatbuffers::TypeTable;

// Walks the tables of a file along the schema's type tables.
class Walker {
 public:
  void table(const uint8_t* data, const TypeTable& type, const std::string& path) {
    const auto* at = reinterpret_cast<const flatbuffers::Table*>(data);
    const uint8_t* vtable = at->GetVTable();
    // Damaged files may state less than the two sizes that every vtable begins with; FlatBuffers' verifier lets it
    // pass.
    const size_t size = flatbuffers::ReadScalar<flatbuffers::voffset_t>(vtable);
    const size_t fields = size < 4 ? 0 : (size - 4) / 2;
    for (size_t i = 0; i < fields; ++i) {
      const auto slot = static_cast<flatbuffers::voffset_t>(4 + 2 * i);
      if (!at->CheckField(slot)) continue;
      if (i >= type.num_elems) {
        found.insert(fmt::format("field {} of {}", i, path));
        continue;
      }
      const TypeCode code = type.type_codes[i];
      if (code.base_type != flatbuffers::ET_SEQUENCE || code.sequence_ref < 0) continue;
      const TypeTable& inner = *type.type_refs[code.sequence_ref]();
      const std::string place = fmt::format("{}.{}", path, i);
      if (inner.st == flatbuffers::ST_UNION) {
        // Its type stands in the slot before.
        const auto kind = at->GetField<uint8_t>(static_cast<flatbuffers::voffset_t>(slot - 2), 0);
        member(at->GetPointer<const uint8_t*>(slot), kind, inner, place);
      } else if (code.is_repeating != 0) {
        const auto* items = at->GetPointer<const flatbuffers::Vector<flatbuffers::Offset<flatbuffers::Table>>*>(slot);
        for (flatbuffers::uoffset_t k = 0; k < items->size(); ++k) {
          table(reinterpret_cast<const uint8_t*>(items->Get(k)), inner, place);
        }
      } else {
        table(at->GetPointer<const uint8_t*>(slot), inner, place);
      }
    }
  }

  std::set<std::string> found;

 private:
  void member(const uint8_t* data, uint8_t kind, const TypeTable& type, const std::string& path) {
    if (kind == 0) return;
    if (kind >= type.num_elems || type.values != nullptr) {
      found.insert(fmt::format("kind {} of {}", kind, path));
      return;
    }
    table(data, *type.type_refs[type.type_codes[kind].sequence_ref](), fmt::format("{}({})", path, kind));
  }
};

}  // namespace

std::vector<std::string> find_unknown_fields(const fb::Model& model) {
  Walker walker;
  walker.table(reinterpret_cast<const uint8_t*>(&model), *fb::ModelTypeTable(), "Model");
  return {walker.found.begin(), walker.found.end()};
}

}  // namespace tinyml::tflite
