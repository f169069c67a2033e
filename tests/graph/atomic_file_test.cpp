#include "tinyml/atomic_file.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

#include "tinyml/error.h"

namespace tinyml {
namespace {

class AtomicFileTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ =
        std::filesystem::path(::testing::TempDir()) / ::testing::UnitTest::GetInstance()->current_test_info()->name();
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string contents() const {
    std::ifstream file(folder_ / "file", std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  size_t entries() const {
    return static_cast<size_t>(std::distance(std::filesystem::directory_iterator(folder_), {}));
  }

  std::filesystem::path folder_;
};

TEST_F(AtomicFileTest, ReplacesTheTargetWhenCommitted) {
  write_file(folder_ / "file", "old");
  AtomicFile file(folder_ / "file");
  file.write("new ");
  file.write("contents");
  EXPECT_EQ(contents(), "old");
  file.commit();
  EXPECT_EQ(contents(), "new contents");
  EXPECT_EQ(entries(), 1U);
}

TEST_F(AtomicFileTest, LeavesNothingWithoutCommit) {
  write_file(folder_ / "file", "old");
  {
    AtomicFile first(folder_ / "file");
    AtomicFile second(folder_ / "file");  // Two writers at a time do not meet.
    first.write("first");
    second.write("second");
    EXPECT_EQ(entries(), 3U);
  }
  EXPECT_EQ(contents(), "old");
  EXPECT_EQ(entries(), 1U);
}

TEST_F(AtomicFileTest, NamesTheTargetThatCannotBeWritten) {
  std::filesystem::create_directory(folder_ / "file");
  try {
    write_file(folder_ / "file", "text");
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find((folder_ / "file").string()), std::string::npos);
  }
  EXPECT_EQ(entries(), 1U);
  EXPECT_THROW(write_file(folder_ / "missing" / "file", "text"), Error);
}

}  // namespace
}  // namespace tinyml
