#include "progress.h"

#include <fmt/format.h>

#include <cstdio>

namespace tinyml::cli {

void Progress::done(std::string_view what) {
  const auto now = Clock::now();
  const double milliseconds = std::chrono::duration<double, std::milli>(now - last_).count();
  last_ = now;
  if (!quiet_) fmt::print(stderr, "[{:7.1f} ms] {}\n", milliseconds, what);
}

}  // namespace tinyml::cli
