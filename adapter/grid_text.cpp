#include "adapter/grid_text.hpp"

#include <algorithm>
#include <chrono>

namespace vnet::adapter {
namespace {

/// Everything before the heading. The colours of direct and relayed differ in lightness, too, and each cell says in
/// words what it is.
constexpr std::string_view kHead = R"(<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Which NATs meet</title>
<style>
:root { color-scheme: light dark; --text: #1c2024; --back: #fff; --line: #d5d9de; --soft: #5d656d;
        --direct: #d9f2de; --relayed: #f6e3b4; --wrong: #b3261e; }
@media (prefers-color-scheme: dark) {
  :root { --text: #e4e7ea; --back: #16191c; --line: #3a4046; --soft: #9aa3ab;
          --direct: #1d4a2a; --relayed: #6b4e0c; --wrong: #ff8a80; }
}
body { font: 16px/1.5 system-ui, sans-serif; color: var(--text); background: var(--back);
       max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { border: 1px solid var(--line); padding: .4rem .6rem; text-align: center; white-space: nowrap; }
th[scope=row] { text-align: left; }
td small { display: block; color: var(--soft); }
.direct { background: var(--direct); }
.relayed { background: var(--relayed); }
.wrong { outline: 3px solid var(--wrong); outline-offset: -3px; font-weight: bold; }
.facts td { text-align: left; white-space: normal; }
p { max-width: 45rem; }
</style>
</head>
<body>
<h1>Which NATs meet</h1>
)";

constexpr std::string_view kExplanation =
    R"(<p>Two clients, each behind a NAT of its own, try to reach each other by UDP over IPv4: a server tells each by which
endpoint it sees the other, and both send at the same time. <b>Direct</b>: a pair of endpoints was found that works both
ways. <b>Relay</b>: none was, and they go on through the server. The row is the one client's NAT, the column the other's;
below the result stand the virtual time until both knew it, and the packets that all three have sent.</p>
<p>A cell with a frame contradicts what follows from mapping and filtering alone.</p>
)";

std::string escaped(std::string_view text) {
  std::string result;
  for (const char c : text) {
    switch (c) {
      case '&': result += "&amp;"; break;
      case '<': result += "&lt;"; break;
      case '>': result += "&gt;"; break;
      case '"': result += "&quot;"; break;
      default: result += c;
    }
  }
  return result;
}

std::int64_t milliseconds(const sim::GridCell& cell) {
  return std::chrono::round<std::chrono::milliseconds>(cell.result.took).count();
}

std::string word_of(sim::Path path) { return path == sim::Path::relayed ? "relay" : std::string{to_string(path)}; }

std::size_t count(const sim::Grid& grid, sim::Path path) {
  return static_cast<std::size_t>(
      std::ranges::count_if(grid.cells, [&](const sim::GridCell& cell) { return cell.result.path == path; }));
}

std::string summary(const sim::Grid& grid) {
  const std::size_t wrong = grid.contradictions();
  return std::to_string(grid.cells.size()) + " pairs: " + std::to_string(count(grid, sim::Path::direct)) + " direct, " +
         std::to_string(count(grid, sim::Path::relayed)) + " by the relay; " +
         (wrong == 0 ? "all as theory has it" : std::to_string(wrong) + " contradict theory") + " (seed " +
         std::to_string(grid.seed) + ")";
}

std::string page_cell(const sim::Grid& grid, const sim::GridCell& cell) {
  std::string title = grid.nats[cell.a].name + " and " + grid.nats[cell.b].name;
  if (cell.result.path == sim::Path::direct)
    title += ": " + sim::to_string(cell.result.a) + ", " + sim::to_string(cell.result.b);
  if (!cell.agrees()) title += "; theory says " + word_of(cell.expected());
  return "<td class=\"" + std::string{to_string(cell.result.path)} + (cell.agrees() ? "" : " wrong") + "\" title=\"" +
         escaped(title) + "\">" + word_of(cell.result.path) + "<small>" + std::to_string(milliseconds(cell)) + " ms, " +
         std::to_string(cell.result.packets) + "</small></td>";
}

std::string page_facts(const sim::Grid& grid) {
  std::string text =
      "<h2>The NATs</h2>\n<div class=\"scroll\"><table class=\"facts\">\n"
      "<tr><th>name</th><th>what it is</th></tr>\n";
  for (const sim::NamedNat& nat : grid.nats) {
    text += "<tr><th scope=\"row\">" + escaped(nat.name) + "</th><td>" + escaped(nat.meaning) + "</td></tr>\n";
  }
  return text + "</table></div>\n";
}

}  // namespace

std::string grid_table(const sim::Grid& grid, Style style) {
  std::vector<Column> columns = {{"NAT"}};
  for (const sim::NamedNat& nat : grid.nats) columns.push_back({nat.name, Align::right});
  Table table{columns};
  for (std::size_t a = 0; a < grid.nats.size(); ++a) {
    std::vector<Cell> cells = {{grid.nats[a].name, Tone::bold}};
    for (std::size_t b = 0; b < grid.nats.size(); ++b) {
      const sim::GridCell& cell = grid.at(a, b);
      const bool direct = cell.result.path == sim::Path::direct;
      const std::string text = direct ? std::to_string(milliseconds(cell)) + " ms" : word_of(cell.result.path);
      if (cell.agrees()) {
        cells.emplace_back(text, direct ? Tone::good : Tone::warning);
      } else {
        cells.emplace_back("!" + text, Tone::bad);
      }
    }
    table.add(std::move(cells));
  }
  return table.to_string(style) + "\n" + summary(grid) + "\n";
}

std::string grid_page(const sim::Grid& grid, const std::string& version) {
  std::string page{kHead};
  page += "<p>" + escaped(summary(grid)) + "</p>\n";
  page += kExplanation;
  page += "<div class=\"scroll\"><table>\n<tr><td></td>";
  for (const sim::NamedNat& nat : grid.nats) page += "<th scope=\"col\">" + escaped(nat.name) + "</th>";
  page += "</tr>\n";
  for (std::size_t a = 0; a < grid.nats.size(); ++a) {
    page += "<tr><th scope=\"row\">" + escaped(grid.nats[a].name) + "</th>";
    for (std::size_t b = 0; b < grid.nats.size(); ++b) page += page_cell(grid, grid.at(a, b));
    page += "</tr>\n";
  }
  page += "</table></div>\n" + page_facts(grid);
  return page + "<p>Made by <code>vnet grid --seed " + std::to_string(grid.seed) + "</code> of vnet " +
         escaped(version) + "; the same seed makes the same page.</p>\n</body>\n</html>\n";
}

Json grid_json(const sim::Grid& grid) {
  Json json = {{"seed", grid.seed},
               {"contradictions", grid.contradictions()},
               {"nats", Json::array()},
               {"cells", Json::array()}};
  for (const sim::NamedNat& nat : grid.nats) {
    json["nats"].push_back({{"name", nat.name}, {"meaning", nat.meaning}});
  }
  for (const sim::GridCell& cell : grid.cells) {
    Json shown = {{"a", grid.nats[cell.a].name},
                  {"b", grid.nats[cell.b].name},
                  {"result", std::string{to_string(cell.result.path)}},
                  {"expected", std::string{to_string(cell.expected())}},
                  {"milliseconds", milliseconds(cell)},
                  {"packets", cell.result.packets}};
    if (cell.result.path == sim::Path::direct) {
      shown["endpoint_a"] = sim::to_string(cell.result.a);
      shown["endpoint_b"] = sim::to_string(cell.result.b);
    }
    json["cells"].push_back(std::move(shown));
  }
  return json;
}

}  // namespace vnet::adapter
