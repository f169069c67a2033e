#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>

#include "graph/escape_html.h"
#include "tinyml/pruning_report.h"

namespace tinyml {
namespace {

constexpr const char* kStyle = R"(
body { font: 15px/1.45 system-ui, sans-serif; margin: 2em auto; max-width: 70em; padding: 0 1em; color: #1d2330; }
h1 { font-size: 1.5em; } h2 { font-size: 1.15em; margin-top: 2em; }
table { border-collapse: collapse; } th, td { padding: .25em .8em; text-align: right; border-bottom: 1px solid #e4e7ee; }
th:first-child, td:first-child { text-align: left; } td.text { text-align: left; } .bar { width: 16em; }
.bar div { background: #d7dde8; height: .9em; } .bar div div { background: #2f6fde; }
svg text { font: 12px system-ui, sans-serif; fill: #1d2330; } .muted { color: #69728a; })";

double ratio(int64_t part, int64_t whole) {
  return whole > 0 ? static_cast<double>(part) / static_cast<double>(whole) : 1.0;
}

std::string commas(int64_t count) {
  std::string text = std::to_string(count);
  for (size_t end = text.size(); end > 3; end -= 3) text.insert(end - 3, ",");
  return text;
}

std::string total_row(const char* name, int64_t before, int64_t after) {
  return fmt::format("<tr><td>{}</td><td>{}</td><td>{}</td><td>{:.1f} %</td></tr>\n", name, commas(before),
                     commas(after), 100.0 * ratio(after, before));
}

std::string totals(const PruningReport& report) {
  std::string text = "<table><tr><th></th><th>before</th><th>after</th><th>remains</th></tr>\n";
  text += total_row("multiply-accumulates", report.before.total.macs, report.after.total.macs);
  text += total_row("parameters", report.before.parameters, report.after.parameters);
  text += total_row("peak activation memory, bytes", report.before.peak_activation_bytes,
                    report.after.peak_activation_bytes);
  if (report.latency_before && report.latency_after) {
    text += fmt::format("<tr><td>measured latency</td><td>{:.3f} ms</td><td>{:.3f} ms</td><td>{:.1f} %</td></tr>\n",
                        1e3 * *report.latency_before, 1e3 * *report.latency_after,
                        100.0 * *report.latency_after / *report.latency_before);
  }
  return text + "</table>\n";
}

std::string bars(const PruningReport& report) {
  int64_t widest = 1;
  for (const SubgraphChange& change : report.subgraphs) widest = std::max(widest, change.macs_before);
  const bool is_timed = report.latency_before.has_value();
  std::string text =
      "<table><tr><th>subgraph</th><th>channels</th><th>MACs</th><th>parameters</th><th>peak activations, kB</th>";
  if (is_timed) text += "<th>latency, ms</th>";
  text += "<th class=\"bar\">share of the largest</th></tr>\n";
  const auto change_cell = [](const std::string& before, const std::string& after) {
    return fmt::format("<td>{} \u2192 {}</td>", before, after);
  };
  const auto kilobytes = [](int64_t bytes) { return fmt::format("{:.1f}", static_cast<double>(bytes) / 1e3); };
  const auto milliseconds = [](const std::optional<double>& seconds) {
    return seconds ? fmt::format("{:.3f}", 1e3 * *seconds) : std::string("\u2013");
  };
  for (const SubgraphChange& change : report.subgraphs) {
    text += fmt::format("<tr><td>{}</td>", escape_html(change.name));
    text += change_cell(commas(change.units_before), commas(change.units_after));
    text += change_cell(commas(change.macs_before), commas(change.macs_after));
    text += change_cell(commas(change.parameters_before), commas(change.parameters_after));
    text += change_cell(kilobytes(change.peak_before), kilobytes(change.peak_after));
    if (is_timed) text += change_cell(milliseconds(change.seconds_before), milliseconds(change.seconds_after));
    text += fmt::format(
        "<td class=\"bar\"><div style=\"width:{:.1f}%\"><div style=\"width:{:.1f}%\"></div></div></td></tr>\n",
        std::max(100.0 * ratio(change.macs_before, widest), 0.5), 100.0 * ratio(change.macs_after, change.macs_before));
  }
  return text + "</table>\n";
}

/// Layers from top to bottom in execution order; arcs on the left join layers whose channels live and die together,
/// arcs on the right lead from the layers that make channels to those that read them.
std::string diagram(const PruningReport& report) {
  constexpr double kRow = 22.0, kAxis = 220.0, kNames = 240.0, kWidth = 980.0;
  const double height = kRow * (static_cast<double>(report.layers.size()) + 1.0);
  const auto y_of = [&](size_t layer) { return kRow * (static_cast<double>(layer) + 1.0); };
  const auto color_of = [](size_t subgraph) {
    return fmt::format("hsl({:.0f},60%,45%)", static_cast<double>(subgraph * 137 % 360));
  };
  std::map<size_t, std::vector<size_t>> makers;
  for (size_t i = 0; i < report.layers.size(); ++i) makers[report.layers[i].subgraph].push_back(i);
  std::string text = fmt::format(
      "<svg role=\"img\" aria-label=\"layers and the channels they share\" width=\"{:.0f}\" "
      "height=\"{:.0f}\" viewBox=\"0 0 {:.0f} {:.0f}\">\n",
      kWidth, height, kWidth, height);
  const auto arc = [&](size_t from, size_t to, size_t subgraph, double side, double x) {
    const double a = y_of(from), b = y_of(to);
    const double reach = std::min(14.0 + 3.0 * (b - a) / kRow, kAxis - 20.0);
    text += fmt::format(
        "<path d=\"M{:.0f} {:.0f} C{:.0f} {:.0f} {:.0f} {:.0f} {:.0f} {:.0f}\" fill=\"none\" "
        "stroke=\"{}\" stroke-opacity=\"{}\"/>\n",
        x, a, x + side * reach, a, x + side * reach, b, x, b, color_of(subgraph), side < 0 ? "0.9" : "0.35");
  };
  for (const auto& [subgraph, layers] : makers) {
    for (size_t i = 1; i < layers.size(); ++i) arc(layers[i - 1], layers[i], subgraph, -1.0, kAxis);
  }
  for (size_t i = 0; i < report.layers.size(); ++i) {
    const LayerChange& layer = report.layers[i];
    for (const size_t subgraph : layer.reads) {
      const std::vector<size_t>& from = makers[subgraph];
      const auto before = std::lower_bound(from.begin(), from.end(), i);
      if (before != from.begin()) arc(*std::prev(before), i, subgraph, 1.0, kWidth - kAxis);
    }
    const double y = y_of(i);
    text += fmt::format(
        "<circle cx=\"{:.0f}\" cy=\"{:.0f}\" r=\"4\" fill=\"{}\"/><text x=\"{:.0f}\" y=\"{:.0f}\">{}"
        "</text><text x=\"{:.0f}\" y=\"{:.0f}\" text-anchor=\"end\">{} of {}</text><circle "
        "cx=\"{:.0f}\" cy=\"{:.0f}\" r=\"2\" fill=\"#69728a\"/>\n",
        kAxis, y, color_of(layer.subgraph), kNames, y + 4, escape_html(layer.name), kWidth - kAxis - 15, y + 4,
        layer.channels_after, layer.channels_before, kWidth - kAxis, y);
  }
  return text + "</svg>\n";
}

std::string pinned(const PruningReport& report) {
  if (report.pinned.empty()) return "";
  std::string text =
      "<h2>What stays, and why</h2>\n<table><tr><th>layer</th><th>kept</th><th>reason</th><th>place</th></tr>\n";
  for (const PinnedAxis& axis : report.pinned) {
    text += fmt::format(
        "<tr><td>{} dim {}</td><td>{} of {}</td><td class=\"text\">{}</td><td class=\"text muted\">{}</td></tr>\n",
        escape_html(axis.fqn), axis.dim, axis.pinned, axis.size, escape_html(axis.reason.what),
        escape_html(place_of(axis)));
  }
  return text + "</table>\n";
}

}  // namespace

std::string to_html(const PruningReport& report, const std::string& title) {
  std::string page = fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{0}</title>"
      "<style>{1}</style></head>\n<body><h1>{0}</h1>\n",
      escape_html(title), kStyle);
  page += totals(report);
  page +=
      "<h2>Subgraphs</h2><p class=\"muted\">Channels that live and die together. Arithmetic, weights, latency: of the "
      "layers "
      "that make them, each run alone; peak activations: everything in memory while one of them runs.</p>\n" +
      bars(report);
  page +=
      "<h2>Layers</h2><p class=\"muted\">In execution order. Left: layers of one colour share their channels. Right: "
      "who reads them.</p>\n" +
      diagram(report);
  page += pinned(report);
  return page + "</body></html>\n";
}

}  // namespace tinyml
