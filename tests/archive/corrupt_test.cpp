#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "archive/archive_fixture.h"

namespace tinyml {
namespace {

constexpr const char* kProgram = "small/models/model.json";
constexpr const char* kWeights = "small/data/weights/model_weights_config.json";

/// A valid archive to damage.
class Corrupt : public testing::Test {
 protected:
  void SetUp() override {
    write_pt2(small_graph(), folder_ / "small.pt2");
    bytes_ = read_file(folder_ / "small.pt2");
    const ZipReader zip(to_storage(bytes_));
    for (const std::string& name : zip.names()) entries_.files[zip.root() + name] = std::string(zip.text(name));
  }

  std::string problem_with(const Entries& entries) { return problem_of(entries.write(folder_ / "changed.pt2")); }

  /// The problem after one text in an entry is replaced.
  std::string problem_with(const std::string& entry, const std::string& from, const std::string& to) {
    Entries entries = entries_;
    std::string& text = entries.files.at(entry);
    const size_t position = text.find(from);
    EXPECT_NE(position, std::string::npos) << from;
    text.replace(position, from.size(), to);
    return problem_with(entries);
  }

  size_t directory_entry(const std::string& name) const {
    const std::string signature("PK\x01\x02", 4);
    for (size_t at = bytes_.find(signature); at != std::string::npos; at = bytes_.find(signature, at + 1)) {
      if (bytes_.compare(at + 46, name.size(), name) == 0) return at;
    }
    ADD_FAILURE() << name;
    return 0;
  }

  TemporaryFolder folder_;
  std::string bytes_;
  Entries entries_;
};

template <typename T>
void put(std::string& bytes, size_t position, T value) {
  std::memcpy(bytes.data() + position, &value, sizeof(T));
}

TEST_F(Corrupt, TheUndamagedArchiveIsFine) {
  EXPECT_EQ(problem_of(bytes_), "");
  EXPECT_EQ(problem_with(entries_), "");
}

TEST_F(Corrupt, TruncationAtEveryByteIsAClearError) {
  for (size_t size = 0; size < bytes_.size(); ++size) {
    EXPECT_NE(problem_of(bytes_.substr(0, size)), "") << size;
  }
}

TEST_F(Corrupt, NoSingleDamagedByteOfTheProgramGoesUnnoticed) {
  const size_t start = bytes_.find("{\"graph_module\"");
  ASSERT_NE(start, std::string::npos);
  for (size_t at = start; at < start + 400; ++at) {
    std::string damaged = bytes_;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x10);
    EXPECT_NE(problem_of(damaged).find("checksum"), std::string::npos) << at;
  }
}

TEST_F(Corrupt, AnyDamagedByteOfTheDirectoryIsAnErrorOrHarmless) {
  const size_t start = bytes_.find(std::string("PK\x01\x02", 4));
  for (size_t at = start; at < bytes_.size(); ++at) {
    for (const int mask : {0x01, 0x80, 0xFF}) {
      std::string damaged = bytes_;
      damaged[at] = static_cast<char>(damaged[at] ^ mask);
      problem_of(damaged);
    }
  }
}

TEST_F(Corrupt, NamesThatLeaveTheFolderAreRefused) {
  for (const char* name :
       {"small/../evil", "/etc/passwd", "small/..", "small//x", "small\\..\\x", "small/./x", "../small/x"}) {
    Entries entries = entries_;
    entries.files[name] = "x";
    EXPECT_NE(problem_with(entries), "") << name;
  }
  Entries other = entries_;
  other.files["zother/x"] = "x";
  EXPECT_NE(problem_with(other).find("outside the archive's folder"), std::string::npos);
}

TEST_F(Corrupt, OverlapsSizesAndOffsetsAreChecked) {
  const size_t first = directory_entry("small/data/weights/weight_0");
  const size_t second = directory_entry("small/data/weights/weight_1");
  uint32_t offset = 0;
  std::memcpy(&offset, bytes_.data() + second + 42, 4);

  std::string overlapping = bytes_;  // The first entry says that it reaches into the second.
  put<uint32_t>(overlapping, first + 20, offset);
  put<uint32_t>(overlapping, first + 24, offset);
  uint32_t first_offset = 0;
  std::memcpy(&first_offset, bytes_.data() + first + 42, 4);
  put<uint32_t>(overlapping, first_offset + 18, offset);
  put<uint32_t>(overlapping, first_offset + 22, offset);
  EXPECT_NE(problem_of(overlapping).find("overlap"), std::string::npos) << problem_of(overlapping);

  std::string huge = bytes_;
  put<uint32_t>(huge, first + 20, 0xFFFFFFF0u);
  put<uint32_t>(huge, first + 24, 0xFFFFFFF0u);
  EXPECT_NE(problem_of(huge), "");

  std::string elsewhere = bytes_;
  put<uint32_t>(elsewhere, first + 42, 0x7FFFFFFFu);
  EXPECT_NE(problem_of(elsewhere).find("outside the file"), std::string::npos);

  std::string compressed = bytes_;
  put<uint16_t>(compressed, directory_entry(kProgram) + 10, 8);
  EXPECT_NE(problem_of(compressed), "");

  std::string encrypted = bytes_;
  put<uint16_t>(encrypted, first + 8, 1);
  EXPECT_NE(problem_of(encrypted).find("encrypted"), std::string::npos);
}

TEST_F(Corrupt, EveryEntryThatIsNeededIsNamedWhenMissing) {
  for (const char* name : {kWeights, "small/data/constants/model_constants_config.json"}) {
    Entries entries = entries_;
    entries.files.erase(name);
    EXPECT_NE(problem_with(entries).find(name), std::string::npos) << name;
  }
  Entries entries = entries_;
  entries.files.erase("small/data/weights/weight_0");
  EXPECT_NE(problem_with(entries).find("weight_0"), std::string::npos);
  entries = entries_;
  entries.files.erase(kProgram);
  EXPECT_NE(problem_with(entries).find("holds no exported program"), std::string::npos);
}

TEST_F(Corrupt, EveryMissingKeyIsNamed) {
  for (const char* key : {"graph_module", "graph",         "signature",      "input_specs",   "output_specs",
                          "inputs",       "outputs",       "nodes",          "tensor_values", "target",
                          "arg",          "dtype",         "sizes",          "strides",       "layout",
                          "device",       "requires_grad", "schema_version", "major",         "module_call_graph",
                          "in_spec"}) {
    const std::string quoted = std::string("\"") + key + "\":";
    const std::string problem = problem_with(kProgram, quoted, "\"renamed\":");
    EXPECT_NE(problem.find(std::string("'") + key + "'"), std::string::npos) << key << ": " << problem;
    EXPECT_NE(problem.find("models/model.json"), std::string::npos) << problem;
  }
  for (const char* key : {"config", "path_name", "use_pickle", "sizes", "strides", "storage_offset", "dtype"}) {
    const std::string quoted = std::string("\"") + key + "\":";
    const std::string problem = problem_with(kWeights, quoted, "\"renamed\":");
    EXPECT_NE(problem.find(std::string("'") + key + "'"), std::string::npos) << key << ": " << problem;
  }
}

TEST_F(Corrupt, WrongValuesAreNamedWithTheirPath) {
  struct Change {
    const char* from;
    const char* to;
    const char* message;
  };
  const Change changes[] = {
      {"\"target\":\"torch.ops.aten.linear.default\"", "\"target\":7",
       "graph_module.graph.nodes[0].target: expected a string"},
      {"\"target\":\"torch.ops.aten.linear.default\"", "\"target\":\"torch.ops.aten.relu.default\"", "has no argument"},
      {"\"dtype\":7", "\"dtype\":99", "element type number 99"},
      {"\"dtype\":7", "\"dtype\":29", "element type number 29"},
      {"\"sizes\":[{\"as_int\":3},{\"as_int\":3}]", "\"sizes\":[{\"as_int\":3},{\"as_int\":4}]",
       "another type or shape"},
      {"\"layout\":7", "\"layout\":1", "strided"},
      {"\"major\":8", "\"major\":9", "newer than tinyml"},
      {"\"major\":8", "\"major\":5", "too old"},
      {"\"sizes\":[{\"as_int\":3}", "\"sizes\":[{\"as_int\":-3}", "negative"},
      {"\"sizes\":[{\"as_int\":3}", "\"sizes\":[{\"as_int\":9223372036854775807}", "too large"},
      {"\"as_int\":3", "\"as_int\":18446744073709551615", "integer of 64 bits"},
      {"\"as_int\":3", "\"as_int\":3.5", "integer of 64 bits"},
      {"\"as_int\":3", "\"as_complex\":{\"real\":1.0,\"imag\":0.0}", "as_complex"},
      {"{\"as_tensor\":{\"name\":\"x\"}}", "{\"as_custom_obj\":{\"name\":\"x\",\"class_fqn\":\"c\"}}",
       "custom objects"},
      {"\"buffer\":", "\"token\":", "token"},
      {"\"user_output\":", "\"gradient_to_parameter\":", "gradient_to_parameter"},
      {"Symbol('s0'", "Symbol('s0", "expr_str"},
      {"{\"graph_module\"", "[\"graph_module\"", "malformed JSON"},
  };
  for (const Change& change : changes) {
    const std::string problem = problem_with(kProgram, change.from, change.to);
    EXPECT_NE(problem.find(change.message), std::string::npos) << change.to << ": " << problem;
  }
}

TEST_F(Corrupt, UsesBeforeDefinitionsAndCyclesAreRefused) {
  // relu reads its own result; the result is defined twice; a value is read that does not exist.
  const std::string relu =
      "torch.ops.aten.relu.default\",\"inputs\":[{\"name\":\"self\",\"arg\":{\"as_tensor\":{\"name\":\"";
  EXPECT_NE(problem_with(kProgram, relu + "add\"", relu + "relu\"").find("before it is defined"), std::string::npos);
  EXPECT_NE(problem_with(kProgram, relu + "add\"", relu + "ghost\"").find("'ghost'"), std::string::npos);
  const std::string result = "\"outputs\":[{\"as_tensor\":{\"name\":\"relu\"}}],\"metadata\"";
  EXPECT_NE(problem_with(kProgram, result, "\"outputs\":[{\"as_tensor\":{\"name\":\"add\"}}],\"metadata\"")
                .find("defined twice"),
            std::string::npos);
}

TEST_F(Corrupt, PicklesAreNeverOpened) {
  const std::string problem = problem_with(kWeights, "\"use_pickle\":false", "\"use_pickle\":true");
  EXPECT_NE(problem.find("pickle"), std::string::npos);
  EXPECT_NE(problem.find("'fc.weight'"), std::string::npos) << problem;
}

TEST_F(Corrupt, TensorsOutsideTheirBytesAreRefused) {
  EXPECT_NE(problem_with(kWeights, "\"strides\":[{\"as_int\":3}", "\"strides\":[{\"as_int\":300}").find("does not fit"),
            std::string::npos);
  EXPECT_NE(problem_with(kWeights, "\"as_int\":0}", "\"as_int\":-1}").find("does not fit"), std::string::npos);
  EXPECT_NE(
      problem_with(kWeights, "\"path_name\":\"weight_0\"", "\"path_name\":\"../constants/tensor_0\"").find("no entry"),
      std::string::npos);
}

TEST_F(Corrupt, DeepNestingIsRefused) {
  std::string deep(100000, '[');
  EXPECT_NE(problem_with(kProgram, "\"guards_code\":[]", "\"guards_code\":" + deep).find("nests deeper"),
            std::string::npos);
}

TEST_F(Corrupt, UnknownFieldsOfNewerVersionsAreIgnored) {
  EXPECT_EQ(problem_with(kProgram, "\"minor\":20", "\"minor\":99,\"future\":{\"a\":[1,null]}"), "");
  EXPECT_EQ(problem_with(kProgram, "\"nodes\":", "\"future\":[{}],\"nodes\":"), "");
}

TEST_F(Corrupt, EveryUnreadableOperatorIsListed) {
  Entries entries = entries_;
  std::string& text = entries.files.at(kProgram);
  const std::string other = "{\"name\":\"other\",\"arg\":";
  size_t changed = 0;
  for (size_t at = text.find(other); at != std::string::npos; at = text.find(other, at + 1), ++changed) {
    text.insert(at + other.size(), "{\"as_operator\":\"x\"},\"old\":");
  }
  ASSERT_EQ(changed, 2u);
  const std::string problem = problem_with(entries);
  EXPECT_NE(problem.find("2 operators cannot be read"), std::string::npos) << problem;
}

}  // namespace
}  // namespace tinyml
