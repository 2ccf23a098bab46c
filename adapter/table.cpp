#include "adapter/table.hpp"

#include <algorithm>
#include <cassert>

#include "adapter/printable.hpp"

namespace vnet::adapter {
namespace {

constexpr std::string_view kGap = "  ";

std::string_view sequence(Tone tone) {
  switch (tone) {
    case Tone::plain: return "";
    case Tone::bold: return "\x1b[1m";
    case Tone::good: return "\x1b[32m";
    case Tone::warning: return "\x1b[33m";
    case Tone::bad: return "\x1b[31m";
  }
  return "";
}

std::string trimmed(std::string line) {
  line.erase(line.find_last_not_of(' ') + 1);
  return line;
}

}  // namespace

std::string painted(std::string_view text, Tone tone, Style style) {
  if (!style.color || tone == Tone::plain || text.empty()) return std::string{text};
  return std::string{sequence(tone)} + std::string{text} + "\x1b[0m";
}

void Table::add(std::vector<Cell> cells) {
  assert(cells.size() == columns_.size());
  for (Cell& cell : cells) cell.text = cell.text.empty() ? "-" : printable(cell.text);
  rows_.push_back(std::move(cells));
}

std::vector<std::string> Table::lines(Style style) const {
  std::vector<std::size_t> widths;
  std::vector<Cell> header;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    header.emplace_back(columns_[i].title, Tone::bold);
    std::size_t width = display_width(columns_[i].title);
    for (const auto& row : rows_) width = std::max(width, display_width(row[i].text));
    widths.push_back(width);
  }
  std::vector<std::string> result;
  const auto render = [&](const std::vector<Cell>& cells) {
    std::string line;
    for (std::size_t i = 0; i < cells.size(); ++i) {
      const std::string space(widths[i] - display_width(cells[i].text), ' ');
      const std::string text = painted(cells[i].text, cells[i].tone, style);
      line += (i > 0 ? kGap : "");
      line += columns_[i].align == Align::right ? space + text : text + space;
    }
    result.push_back(trimmed(std::move(line)));
  };
  render(header);
  for (const auto& row : rows_) render(row);
  return result;
}

std::string Table::to_string(Style style) const {
  std::string text;
  for (const std::string& line : lines(style)) text += line + "\n";
  return text;
}

std::string FieldList::to_string(Style style) const {
  std::size_t width = 0;
  for (const auto& [label, value] : fields_) width = std::max(width, display_width(label));
  std::string text;
  for (const auto& [label, value] : fields_) {
    text += painted(label, Tone::bold, style) + std::string(width - display_width(label), ' ');
    const std::string shown = printable_lines(value.text);
    std::size_t begin = 0;
    for (bool more = true; more;) {
      const std::size_t end = shown.find('\n', begin);
      more = end != std::string::npos;
      text += (begin == 0 ? "" : std::string(width, ' ')) + std::string{kGap};
      text += painted(shown.substr(begin, more ? end - begin : end), value.tone, style) + "\n";
      begin = end + 1;
    }
  }
  return text;
}

}  // namespace vnet::adapter
