#include "tinyml/axis_groups.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "tinyml/error.h"

namespace tinyml {

std::vector<AxisGroup> find_axis_groups(const std::vector<int64_t>& input, const std::vector<int64_t>& output) {
  const auto fail = [&] {
    throw Error(fmt::format("cannot reshape [{}] into [{}]", fmt::join(input, ", "), fmt::join(output, ", ")));
  };
  std::vector<AxisGroup> groups;
  size_t i = 0, o = 0;
  const auto skip_ones = [&] {
    while (i < input.size() && input[i] == 1) ++i;
    while (o < output.size() && output[o] == 1) ++o;
  };
  for (skip_ones(); i < input.size() && o < output.size(); skip_ones()) {
    AxisGroup group;
    int64_t in_product = 1, out_product = 1;
    do {
      if (in_product <= out_product && i < input.size()) {
        in_product *= input[i];
        if (input[i] != 1) group.inputs.push_back(static_cast<int64_t>(i));
        ++i;
      } else if (o < output.size()) {
        out_product *= output[o];
        if (output[o] != 1) group.outputs.push_back(static_cast<int64_t>(o));
        ++o;
      } else if (i < input.size()) {
        in_product *= input[i];
        group.inputs.push_back(static_cast<int64_t>(i));
        ++i;
      } else {
        fail();
      }
      if (in_product == 0 || out_product == 0) fail();
    } while (in_product != out_product);
    groups.push_back(std::move(group));
  }
  if (i < input.size() || o < output.size()) fail();
  return groups;
}

}  // namespace tinyml
