// Tables and lists of fields for people: aligned, no wider than needed, the header in bold where colours are wanted.
//
// Every cell goes through printable() here, so that no text of a guest reaches the terminal by way of a table.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace vnet::adapter {

struct Style {
  bool color = false;
};

enum class Tone { plain, bold, good, warning, bad };
/// `text`, which must be printable already, in that tone.
[[nodiscard]] std::string painted(std::string_view text, Tone tone, Style style);

struct Cell {
  // Most cells are a text and nothing more, so they may be written as one.
  Cell(std::string shown, Tone in = Tone::plain) : text(std::move(shown)), tone(in) {}
  Cell(const char* shown, Tone in = Tone::plain) : text(shown), tone(in) {}
  std::string text;
  Tone tone = Tone::plain;
};

enum class Align { left, right };
struct Column {
  std::string title;
  Align align = Align::left;
};

class Table {
 public:
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

  /// As many cells as there are columns. An empty one is shown as `-`, so that a row always has as many words.
  void add(std::vector<Cell> cells);
  /// The header, then a line for each row, without line feeds.
  [[nodiscard]] std::vector<std::string> lines(Style style) const;
  [[nodiscard]] std::string to_string(Style style) const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<Cell>> rows_;
};

/// Labels with values, a line each, the values below one another. A value of several lines is indented.
class FieldList {
 public:
  void add(std::string label, Cell value) { fields_.emplace_back(std::move(label), std::move(value)); }
  [[nodiscard]] std::string to_string(Style style) const;

 private:
  std::vector<std::pair<std::string, Cell>> fields_;
};

}  // namespace vnet::adapter
