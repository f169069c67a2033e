// Text in HTML and SVG pages.
#pragma once

#include <string>
#include <string_view>

namespace tinyml {

/// The text with &, <, > and " as entities, for element contents and quoted attributes.
std::string escape_html(std::string_view text);

}  // namespace tinyml
