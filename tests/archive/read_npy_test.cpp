#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>

#include "tinyml/npy.h"

namespace tinyml {
namespace {

// The file numpy.save writes: magic, version, header length, header padded to 64 bytes, data.
std::filesystem::path write(const std::string& header, const std::string& data, char version = 1) {
  std::string text("\x93NUMPY", 6);
  text += version;
  text += '\0';
  std::string padded = header;
  const size_t begin = version == 1 ? 10 : 12;
  while ((begin + padded.size() + 1) % 64 != 0) padded += ' ';
  padded += '\n';
  text += static_cast<char>(padded.size() % 256);
  text += static_cast<char>(padded.size() / 256);
  if (version != 1) text += std::string(2, '\0');
  const auto path = std::filesystem::path(testing::TempDir()) / "array.npy";
  std::ofstream(path, std::ios::binary) << text << padded << data;
  return path;
}

std::string bytes_of(const std::vector<float>& values) {
  std::string bytes(values.size() * sizeof(float), '\0');
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

TEST(ReadNpy, ReadsShapesOfEveryRank) {
  const std::string data = bytes_of({1, 2, 3, 4, 5, 6});
  for (const char version : {1, 2}) {
    const Tensor tensor = read_npy(write("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }", data, version));
    EXPECT_EQ(tensor.shape(), (std::vector<int64_t>{2, 3}));
    EXPECT_EQ(tensor.to_doubles(), (std::vector<double>{1, 2, 3, 4, 5, 6}));
  }
  const Tensor vector = read_npy(write("{'descr': '<f4', 'fortran_order': False, 'shape': (6,), }", data));
  EXPECT_EQ(vector.shape(), std::vector<int64_t>{6});
  const Tensor scalar = read_npy(write("{'descr': '<f4', 'fortran_order': False, 'shape': (), }", data));
  EXPECT_EQ(scalar.to_doubles(), std::vector<double>{1});
}

TEST(ReadNpy, RefusesWhatIsNotSuchAFile) {
  const std::string data = bytes_of({1, 2, 3, 4, 5, 6});
  const auto refuses = [&](const std::string& header, const std::string& why) {
    const auto path = write(header, data);
    try {
      read_npy(path);
      ADD_FAILURE() << header;
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(why), std::string::npos) << error.what();
      EXPECT_NE(std::string(error.what()).find(path.string()), std::string::npos);
    }
  };
  refuses("{'descr': '>f4', 'fortran_order': False, 'shape': (2, 3), }", "element type '>f4'");
  refuses("{'descr': '|O', 'fortran_order': False, 'shape': (2, 3), }", "element type '|O'");
  refuses("{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3), }", "Fortran");
  refuses("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 4), }", "cut off");
  refuses("{'descr': '<f4', 'fortran_order': False, 'shape': (-2, 3), }", "shape");
  refuses("{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 4, 4), }", "cut off");
  refuses("{'descr': '<f4', 'fortran_order': False}", "header");
  refuses("", "header");
  EXPECT_THROW(read_npy(std::filesystem::path(testing::TempDir()) / "absent.npy"), Error);
}

}  // namespace
}  // namespace tinyml
