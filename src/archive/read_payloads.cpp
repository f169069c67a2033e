#include "archive/read_payloads.h"

#include <fmt/format.h>

#include <cstring>

#include "archive/read_type.h"

namespace tinyml {
namespace {

/// The bytes at an address that elements of that size may be read from.
Storage aligned(const Storage& bytes, size_t element) {
  if (reinterpret_cast<uintptr_t>(bytes.data()) % std::min<size_t>(element, 16) == 0) return bytes;
  Tensor copy(ScalarType::kUInt8, {static_cast<int64_t>(bytes.size())});
  if (bytes.size() > 0) std::memcpy(copy.mutable_bytes(), bytes.data(), bytes.size());
  return copy.storage();
}

}  // namespace

Payloads::Payloads(const ZipReader& archive, const std::string& config, const std::string& folder) {
  const JsonDocument document(archive.text(config), config);
  std::map<std::string, Storage> storages;
  std::vector<Diagnostic> pickled;
  for (const auto& [name, entry] : document.root().at("config").items()) {
    if (entry.at("use_pickle").as_bool() || !entry.has("tensor_meta")) {
      pickled.push_back({fmt::format("'{}' is stored as a pickle", name),
                         {},
                         {},
                         "replace it by a plain tensor before the export; tinyml opens no pickles"});
      continue;
    }
    const std::string& path = entry.at("path_name").as_string();
    if (!archive.has(folder + path))
      entry.at("path_name").fail(fmt::format("the archive has no entry '{}{}'", folder, path));
    const StoredTensor stored = read_stored_tensor(entry.at("tensor_meta"));
    const auto [storage, inserted] = storages.try_emplace(path);
    if (inserted) storage->second = archive.bytes(folder + path);
    storage->second = aligned(storage->second, size_of(stored.type));
    try {
      tensors_.emplace(name, Tensor(stored.type, stored.sizes, stored.strides, stored.offset, storage->second));
    } catch (const Error& error) {
      entry.fail(error.diagnostics()[0].what);
    }
  }
  if (!pickled.empty()) {
    const std::string summary = fmt::format("{}: {} tensors cannot be read", config, pickled.size());
    throw Error(summary, std::move(pickled));
  }
}

const Tensor* Payloads::find(const std::string& fqn) const {
  const auto found = tensors_.find(fqn);
  return found == tensors_.end() ? nullptr : &found->second;
}

}  // namespace tinyml
