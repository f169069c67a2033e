#include "litert.h"

#include <dlfcn.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "tinyml/error.h"

namespace tinyml::cli {
namespace {

using Handle = void*;
using Status = int;  // 0: fine.

constexpr int kCpu = 1;
constexpr int kHostMemory = 1;
constexpr int kRead = 0;
constexpr int kWrite = 1;

// Filled and read by the library alone; larger than its type of a tensor.
struct TensorType {
  alignas(16) unsigned char bytes[512] = {};
};

std::vector<std::string> candidates(const std::string& path) {
  if (!path.empty()) return {path};
  if (const char* given = std::getenv("TINYML_LITERT"); given != nullptr && *given != '\0') return {given};
  std::vector<std::string> found = {"libLiteRt.so"};
  const char* environment = std::getenv("VIRTUAL_ENV");
  if (environment == nullptr) return found;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(std::filesystem::path(environment) / "lib", ignored)) {
    const auto library = entry.path() / "site-packages/ai_edge_litert/libLiteRt.so";
    if (std::filesystem::exists(library, ignored)) found.push_back(library.string());
  }
  return found;
}

void check(Status status, const char* what) {
  if (status != 0) throw Error(fmt::format("LiteRT cannot {} (status {})", what, status));
}

}  // namespace

// The functions of LiteRT's C interface (version 2) that are used, under their own names without the prefix.
struct LiteRt::Library {
  explicit Library(const std::string& path) {
    std::vector<std::string> reasons;
    for (const std::string& candidate : candidates(path)) {
      handle = dlopen(candidate.c_str(), RTLD_NOW | RTLD_LOCAL);
      if (handle != nullptr) break;
      reasons.emplace_back(dlerror());
    }
    if (handle == nullptr) {
      throw Error(fmt::format("LiteRT is not found, so the file cannot be run: {}", fmt::join(reasons, "; ")),
                  "pip install ai-edge-litert, and name its libLiteRt.so with --litert or $TINYML_LITERT");
    }
    load("CreateEnvironment", CreateEnvironment), load("DestroyEnvironment", DestroyEnvironment);
    load("CreateModelFromFile", CreateModelFromFile), load("DestroyModel", DestroyModel);
    load("CreateOptions", CreateOptions), load("DestroyOptions", DestroyOptions);
    load("SetOptionsHardwareAccelerators", SetOptionsHardwareAccelerators);
    load("CreateCompiledModel", CreateCompiledModel), load("DestroyCompiledModel", DestroyCompiledModel);
    load("GetModelSignature", GetModelSignature);
    load("GetNumSignatureInputs", GetNumSignatureInputs), load("GetNumSignatureOutputs", GetNumSignatureOutputs);
    load("GetSignatureInputName", GetSignatureInputName), load("GetSignatureOutputName", GetSignatureOutputName);
    load("GetSignatureInputTensorByIndex", GetSignatureInputTensorByIndex);
    load("GetSignatureOutputTensorByIndex", GetSignatureOutputTensorByIndex);
    load("GetRankedTensorType", GetRankedTensorType);
    load("GetCompiledModelInputBufferRequirements", GetCompiledModelInputBufferRequirements);
    load("GetCompiledModelOutputBufferRequirements", GetCompiledModelOutputBufferRequirements);
    load("GetTensorBufferRequirementsBufferSize", GetTensorBufferRequirementsBufferSize);
    load("CreateManagedTensorBuffer", CreateManagedTensorBuffer), load("DestroyTensorBuffer", DestroyTensorBuffer);
    load("LockTensorBuffer", LockTensorBuffer), load("UnlockTensorBuffer", UnlockTensorBuffer);
    load("RunCompiledModel", RunCompiledModel);
  }

  template <typename Function>
  void load(const char* name, Function*& function) {
    const std::string symbol = std::string("LiteRt") + name;
    function = reinterpret_cast<Function*>(dlsym(handle, symbol.c_str()));
    if (function == nullptr) {
      throw Error(fmt::format("the LiteRT library has no {}", symbol),
                  "use the library of ai-edge-litert 2.1 or newer");
    }
  }

  Handle handle = nullptr;  // Never closed: the runtime keeps threads.
  Status (*CreateEnvironment)(int, const void*, Handle*) = nullptr;
  void (*DestroyEnvironment)(Handle) = nullptr;
  Status (*CreateModelFromFile)(Handle, const char*, Handle*) = nullptr;
  void (*DestroyModel)(Handle) = nullptr;
  Status (*CreateOptions)(Handle*) = nullptr;
  void (*DestroyOptions)(Handle) = nullptr;
  Status (*SetOptionsHardwareAccelerators)(Handle, int) = nullptr;
  Status (*CreateCompiledModel)(Handle, Handle, Handle, Handle*) = nullptr;
  void (*DestroyCompiledModel)(Handle) = nullptr;
  Status (*GetModelSignature)(Handle, size_t, Handle*) = nullptr;
  Status (*GetNumSignatureInputs)(Handle, size_t*) = nullptr;
  Status (*GetNumSignatureOutputs)(Handle, size_t*) = nullptr;
  Status (*GetSignatureInputName)(Handle, size_t, const char**) = nullptr;
  Status (*GetSignatureOutputName)(Handle, size_t, const char**) = nullptr;
  Status (*GetSignatureInputTensorByIndex)(Handle, size_t, Handle*) = nullptr;
  Status (*GetSignatureOutputTensorByIndex)(Handle, size_t, Handle*) = nullptr;
  Status (*GetRankedTensorType)(Handle, void*) = nullptr;
  Status (*GetCompiledModelInputBufferRequirements)(Handle, size_t, size_t, Handle*) = nullptr;
  Status (*GetCompiledModelOutputBufferRequirements)(Handle, size_t, size_t, Handle*) = nullptr;
  Status (*GetTensorBufferRequirementsBufferSize)(Handle, size_t*) = nullptr;
  Status (*CreateManagedTensorBuffer)(Handle, int, const void*, size_t, Handle*) = nullptr;
  void (*DestroyTensorBuffer)(Handle) = nullptr;
  Status (*LockTensorBuffer)(Handle, void**, int) = nullptr;
  Status (*UnlockTensorBuffer)(Handle) = nullptr;
  Status (*RunCompiledModel)(Handle, size_t, size_t, Handle*, size_t, Handle*) = nullptr;
};

namespace {

using Owner = std::unique_ptr<void, void (*)(Handle)>;

}  // namespace

LiteRt::LiteRt(const std::string& path) : library_(std::make_unique<Library>(path)) {}

LiteRt::~LiteRt() = default;

NamedBytes LiteRt::run(const std::string& path, const NamedBytes& inputs) const {
  const Library& api = *library_;
  const auto make = [](auto destroy, auto create, const char* what) {
    Handle handle = nullptr;
    check(create(&handle), what);
    return Owner(handle, destroy);
  };
  const Owner environment = make(
      api.DestroyEnvironment, [&](Handle* out) { return api.CreateEnvironment(0, nullptr, out); }, "start");
  const Owner model = make(
      api.DestroyModel, [&](Handle* out) { return api.CreateModelFromFile(environment.get(), path.c_str(), out); },
      "load the model");
  Owner options = make(
      api.DestroyOptions, [&](Handle* out) { return api.CreateOptions(out); }, "make options");
  check(api.SetOptionsHardwareAccelerators(options.get(), kCpu), "choose the CPU");
  const Owner compiled = make(
      api.DestroyCompiledModel,
      [&](Handle* out) { return api.CreateCompiledModel(environment.get(), model.get(), options.get(), out); },
      "prepare the model");
  Handle signature = nullptr;
  check(api.GetModelSignature(model.get(), 0, &signature), "find a signature");

  struct Slot {
    std::string name;
    size_t size = 0;
    Owner buffer{nullptr, nullptr};
  };
  const auto slots_of = [&](auto count, auto name_of, auto tensor_of, auto requirements_of) {
    size_t total = 0;
    check(count(signature, &total), "count the signature's tensors");
    std::vector<Slot> slots;
    for (size_t i = 0; i < total; ++i) {
      Slot slot;
      const char* name = nullptr;
      Handle tensor = nullptr;
      Handle requirements = nullptr;
      TensorType type;
      check(name_of(signature, i, &name), "name a tensor");
      check(tensor_of(signature, i, &tensor), "find a tensor");
      check(api.GetRankedTensorType(tensor, type.bytes), "tell a tensor's type");
      check(requirements_of(compiled.get(), 0, i, &requirements), "tell a tensor's memory");
      check(api.GetTensorBufferRequirementsBufferSize(requirements, &slot.size), "tell a tensor's size");
      slot.name = name;
      slot.buffer = make(
          api.DestroyTensorBuffer,
          [&](Handle* out) {
            return api.CreateManagedTensorBuffer(environment.get(), kHostMemory, type.bytes, slot.size, out);
          },
          "make room for a tensor");
      slots.push_back(std::move(slot));
    }
    return slots;
  };
  std::vector<Slot> in = slots_of(api.GetNumSignatureInputs, api.GetSignatureInputName,
                                  api.GetSignatureInputTensorByIndex, api.GetCompiledModelInputBufferRequirements);
  std::vector<Slot> out = slots_of(api.GetNumSignatureOutputs, api.GetSignatureOutputName,
                                   api.GetSignatureOutputTensorByIndex, api.GetCompiledModelOutputBufferRequirements);
  const auto with_memory = [&](const Slot& slot, int mode, auto use) {
    void* memory = nullptr;
    check(api.LockTensorBuffer(slot.buffer.get(), &memory, mode), "reach a tensor's memory");
    use(static_cast<std::byte*>(memory));
    check(api.UnlockTensorBuffer(slot.buffer.get()), "leave a tensor's memory");
  };
  const auto handles = [](const std::vector<Slot>& slots) {
    std::vector<Handle> result;
    for (const Slot& slot : slots) result.push_back(slot.buffer.get());
    return result;
  };
  for (const Slot& slot : in) {
    const auto given = std::find_if(inputs.begin(), inputs.end(), [&](const auto& e) { return e.first == slot.name; });
    if (given == inputs.end()) throw Error(fmt::format("no values were given for the input '{}'", slot.name));
    if (given->second.size() > slot.size) throw Error(fmt::format("too many values for the input '{}'", slot.name));
    with_memory(slot, kWrite, [&](std::byte* to) { std::memcpy(to, given->second.data(), given->second.size()); });
  }
  std::vector<Handle> in_handles = handles(in);
  std::vector<Handle> out_handles = handles(out);
  check(api.RunCompiledModel(compiled.get(), 0, in.size(), in_handles.data(), out.size(), out_handles.data()),
        "run the model");
  NamedBytes results;
  for (const Slot& slot : out) {
    results.emplace_back(slot.name, std::vector<std::byte>(slot.size));
    with_memory(slot, kRead,
                [&](const std::byte* from) { std::memcpy(results.back().second.data(), from, slot.size); });
  }
  return results;
}

}  // namespace tinyml::cli
