#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "graph/escape_html.h"
#include "tinyml/explain.h"

namespace tinyml {
namespace {

constexpr double kFullBar = 60.0;  // dB.

constexpr const char* kStyle = R"(
body { font: 15px/1.45 system-ui, sans-serif; margin: 2em auto; max-width: 80em; padding: 0 1em; color: #1d2330; }
h1 { font-size: 1.5em; } table { border-collapse: collapse; width: 100%; }
th, td { padding: .25em .8em; text-align: left; border-bottom: 1px solid #e4e7ee; vertical-align: top; }
td.number { text-align: right; white-space: nowrap; } .bar { width: 12em; }
.bar div { background: #2f6fde; height: .55em; margin: .2em 0; } .bar div.alone { background: #7fb069; }
.bad { color: #b3261e; } .muted { color: #69728a; font-size: .9em; })";

std::string bar(double snr_db, const char* style) {
  const double share = std::isnan(snr_db) ? 0 : std::clamp(snr_db / kFullBar, 0.0, 1.0);
  return fmt::format("<div class=\"{}\" style=\"width:{:.0f}%\"></div>", style, 100 * share);
}

std::string row(const LayerError& layer) {
  std::string about = layer.op;
  if (!layer.kernel.empty()) about += ", " + layer.kernel;
  if (!layer.where.empty()) about += fmt::format(", {}:{}", layer.where.file, layer.where.line);
  std::string text =
      fmt::format("<tr><td>{}<br><span class=\"muted\">{}</span></td>", escape_html(layer.name), escape_html(about));
  if (layer.kernel.empty()) {
    text += "<td class=\"number\">-</td><td class=\"number\">-</td><td class=\"number\">-</td><td></td><td>";
  } else {
    text += fmt::format("<td class=\"number\">{:.1f}</td><td class=\"number{}\">{:.1f}</td>", layer.snr_db,
                        layer.own_snr_db < 20 ? " bad" : "", layer.own_snr_db);
    text += fmt::format("<td class=\"number\">{:.2f} %</td><td class=\"bar\">{}{}</td><td>", 100 * layer.unequal,
                        bar(layer.snr_db, "all"), bar(layer.own_snr_db, "alone"));
  }
  for (const ErrorFinding& finding : layer.findings) {
    text += fmt::format("<b>{}</b>: {}<br><span class=\"muted\">{}</span><br>", name_of(finding.cause),
                        escape_html(finding.detail), escape_html(finding.remedy));
  }
  return text + "</td></tr>\n";
}

}  // namespace

std::string to_html(const Explanation& explanation, const std::string& title) {
  std::string text = fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{0}</title><style>{1}\n</style></head>\n"
      "<body><h1>{0}</h1>\n",
      escape_html(title), kStyle);
  for (const OutputSnr& output : explanation.outputs) {
    text += fmt::format("<p>Output <b>{}</b>: {:.1f} dB against the float model.</p>\n", escape_html(output.name),
                        output.snr_db);
  }
  text +=
      "<table><tr><th>layer</th><th>SNR dB</th><th>alone dB</th><th>unequal</th><th>SNR (blue), alone (green)</th>"
      "<th>cause and remedy</th></tr>\n";
  for (const LayerError& layer : explanation.layers) text += row(layer);
  text +=
      "</table>\n<p class=\"muted\">SNR: the file's integers against the float model. Alone: against the float layer "
      "on "
      "the file's own inputs. Unequal: integers other than the FakeQuants give on these inputs.</p>\n</body></html>\n";
  return text;
}

}  // namespace tinyml
