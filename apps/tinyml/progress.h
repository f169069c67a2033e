// Progress of long work, one line a step on stderr.
#pragma once

#include <chrono>
#include <string_view>

namespace tinyml::cli {

// Prints what a step did and how long it took since the previous one.
class Progress {
 public:
  explicit Progress(bool quiet) : quiet_(quiet), last_(Clock::now()) {}

  void done(std::string_view what);

 private:
  using Clock = std::chrono::steady_clock;

  bool quiet_;
  Clock::time_point last_;
};

}  // namespace tinyml::cli
