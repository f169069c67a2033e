#include "litert.h"

#include <dlfcn.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <limits>

#include "tinyml/atomic_file.h"
#include "tinyml/error.h"

namespace tinyml::cli {
namespace {

using Handle = void*;
using Status = int;  // 0: fine.

constexpr int kCpu = 1;
constexpr int kHostMemory = 1;
constexpr int kRead = 0;
constexpr int kWrite = 1;

// An option of an environment, with a value of one of several types.
struct EnvironmentOption {
  int tag;
  struct {
    int type;
    int64_t number;
  } value;
};
static_assert(sizeof(EnvironmentOption) == 24);
constexpr int kTypeInteger = 2;
constexpr int kAutoRegisterAccelerators = 24;
constexpr int kMinLoggerSeverity = 25;
constexpr int kErrors = 3;

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

// A model ready to run.
class LiteRt::Session {
 public:
  Session(const Library& library, const std::string& path) : api_(library) {
    environment_ = make(
        api_.DestroyEnvironment, [&](Handle* out) { return create_environment(out); }, "start");
    model_ = make(
        api_.DestroyModel, [&](Handle* out) { return api_.CreateModelFromFile(environment_.get(), path.c_str(), out); },
        "load the model");
    options_ = make(
        api_.DestroyOptions, [&](Handle* out) { return api_.CreateOptions(out); }, "make options");
    check(api_.SetOptionsHardwareAccelerators(options_.get(), kCpu), "choose the CPU");
    compiled_ = make(
        api_.DestroyCompiledModel,
        [&](Handle* out) { return api_.CreateCompiledModel(environment_.get(), model_.get(), options_.get(), out); },
        "prepare the model");
    check(api_.GetModelSignature(model_.get(), 0, &signature_), "find a signature");
    in_ = slots(api_.GetNumSignatureInputs, api_.GetSignatureInputName, api_.GetSignatureInputTensorByIndex,
                api_.GetCompiledModelInputBufferRequirements);
    out_ = slots(api_.GetNumSignatureOutputs, api_.GetSignatureOutputName, api_.GetSignatureOutputTensorByIndex,
                 api_.GetCompiledModelOutputBufferRequirements);
    in_handles_ = handles(in_);
    out_handles_ = handles(out_);
  }

  void write(const NamedBytes& inputs) {
    for (const Slot& slot : in_) {
      const auto given =
          std::find_if(inputs.begin(), inputs.end(), [&](const auto& entry) { return entry.first == slot.name; });
      if (given == inputs.end()) throw Error(fmt::format("no values were given for the input '{}'", slot.name));
      if (given->second.size() > slot.size) throw Error(fmt::format("too many values for the input '{}'", slot.name));
      with_memory(slot, kWrite, [&](std::byte* to) { std::memcpy(to, given->second.data(), given->second.size()); });
    }
  }
  void write_zeros() {
    for (const Slot& slot : in_) with_memory(slot, kWrite, [&](std::byte* to) { std::memset(to, 0, slot.size); });
  }
  void run() {
    check(api_.RunCompiledModel(compiled_.get(), 0, in_.size(), in_handles_.data(), out_.size(), out_handles_.data()),
          "run the model");
  }
  NamedBytes read() {
    NamedBytes results;
    for (const Slot& slot : out_) {
      results.emplace_back(slot.name, std::vector<std::byte>(slot.size));
      with_memory(slot, kRead,
                  [&](const std::byte* from) { std::memcpy(results.back().second.data(), from, slot.size); });
    }
    return results;
  }

 private:
  struct Slot {
    std::string name;
    size_t size = 0;
    Owner buffer{nullptr, nullptr};
  };

  /// Only the CPU is looked for, and only errors are told: else each environment writes a dozen lines.
  Status create_environment(Handle* out) const {
    const EnvironmentOption options[] = {{kMinLoggerSeverity, {kTypeInteger, kErrors}},
                                         {kAutoRegisterAccelerators, {kTypeInteger, kCpu}}};
    if (api_.CreateEnvironment(2, options, out) == 0) return 0;
    return api_.CreateEnvironment(0, nullptr, out);  // Libraries that do not know the options.
  }

  template <typename Create>
  static Owner make(void (*destroy)(Handle), Create create, const char* what) {
    Handle handle = nullptr;
    check(create(&handle), what);
    return {handle, destroy};
  }
  template <typename Count, typename NameOf, typename TensorOf, typename RequirementsOf>
  std::vector<Slot> slots(Count count, NameOf name_of, TensorOf tensor_of, RequirementsOf requirements_of) {
    size_t total = 0;
    check(count(signature_, &total), "count the signature's tensors");
    std::vector<Slot> result;
    for (size_t i = 0; i < total; ++i) {
      Slot slot;
      const char* name = nullptr;
      Handle tensor = nullptr;
      Handle requirements = nullptr;
      TensorType type;
      check(name_of(signature_, i, &name), "name a tensor");
      check(tensor_of(signature_, i, &tensor), "find a tensor");
      check(api_.GetRankedTensorType(tensor, type.bytes), "tell a tensor's type");
      check(requirements_of(compiled_.get(), 0, i, &requirements), "tell a tensor's memory");
      check(api_.GetTensorBufferRequirementsBufferSize(requirements, &slot.size), "tell a tensor's size");
      slot.name = name;
      slot.buffer = make(
          api_.DestroyTensorBuffer,
          [&](Handle* out) {
            return api_.CreateManagedTensorBuffer(environment_.get(), kHostMemory, type.bytes, slot.size, out);
          },
          "make room for a tensor");
      result.push_back(std::move(slot));
    }
    return result;
  }
  template <typename Use>
  void with_memory(const Slot& slot, int mode, Use use) {
    void* memory = nullptr;
    check(api_.LockTensorBuffer(slot.buffer.get(), &memory, mode), "reach a tensor's memory");
    use(static_cast<std::byte*>(memory));
    check(api_.UnlockTensorBuffer(slot.buffer.get()), "leave a tensor's memory");
  }
  static std::vector<Handle> handles(const std::vector<Slot>& slots) {
    std::vector<Handle> result;
    for (const Slot& slot : slots) result.push_back(slot.buffer.get());
    return result;
  }

  const Library& api_;
  // Destroyed from the last to the first.
  Owner environment_{nullptr, nullptr}, model_{nullptr, nullptr}, options_{nullptr, nullptr},
      compiled_{nullptr, nullptr};
  Handle signature_ = nullptr;
  std::vector<Slot> in_, out_;
  std::vector<Handle> in_handles_, out_handles_;
};

NamedBytes LiteRt::run(const std::string& path, const NamedBytes& inputs) const { return open(path)(inputs); }

std::function<NamedBytes(const NamedBytes&)> LiteRt::open(const std::string& path) const {
  return [session = std::make_shared<Session>(*library_, path)](const NamedBytes& inputs) {
    session->write(inputs);
    session->run();
    return session->read();
  };
}

namespace {

/// CPU time of this thread, which runs the whole inference: what else the machine does is not in it.
double thread_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// Seconds of the fastest of so many runs at least, for so long at least.
template <typename Session>
double fastest(Session& session, int least_runs, double least_seconds) {
  const auto begin = std::chrono::steady_clock::now();
  double result = std::numeric_limits<double>::infinity();
  for (int run = 0; run < least_runs || seconds_since(begin) < least_seconds; ++run) {
    const double start = thread_seconds();
    session.run();
    result = std::min(result, thread_seconds() - start);
  }
  return std::max(result, 1e-9);
}

}  // namespace

double LiteRt::measure(const std::string& path, double least_seconds) const {
  Session session(*library_, path);
  session.write_zeros();
  session.run();  // Caches fill.
  return fastest(session, 5, least_seconds);
}

std::function<double(const std::string&)> LiteRt::measure_in_turns(double least_seconds) const {
  struct Reference {
    std::unique_ptr<Session> session;
    std::string contents;
    double seconds = 0.0;
  };
  constexpr double kTurn = 0.005;
  return [this, least_seconds, reference = std::make_shared<Reference>()](const std::string& path) {
    std::string contents = read_file(path, "model");
    if (contents == reference->contents) return reference->seconds;
    auto session = std::make_unique<Session>(*library_, path);
    session->write_zeros();
    session->run();  // Caches fill.
    if (reference->session == nullptr) {
      const double seconds = fastest(*session, 5, 2.0 * least_seconds);
      *reference = {std::move(session), std::move(contents), seconds};
      return seconds;
    }
    double own = std::numeric_limits<double>::infinity(), other = own;
    const auto begin = std::chrono::steady_clock::now();
    for (int turn = 0; turn < 8 || seconds_since(begin) < 2.0 * least_seconds; ++turn) {
      other = std::min(other, fastest(*reference->session, 2, kTurn));
      own = std::min(own, fastest(*session, 2, kTurn));
    }
    return reference->seconds * own / other;
  };
}

}  // namespace tinyml::cli
