#include "network/upnp_xml.hpp"

#include <algorithm>
#include <cstdint>
#include <optional>

namespace vnet::network {
namespace {

constexpr std::string_view kSpace = " \t\r\n";

bool is_name_start(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == ':'; }
bool is_name_char(char c) { return is_name_start(c) || (c >= '0' && c <= '9') || c == '-' || c == '.'; }
bool is_blank(std::string_view text) { return text.find_first_not_of(kSpace) == std::string_view::npos; }
std::string_view local_name(std::string_view name) { return name.substr(name.find(':') + 1); }

/// XML 1.0, 2.2.
bool is_xml_char(std::uint32_t code) {
  if (code < 0x20) return code == '\t' || code == '\n' || code == '\r';
  return code <= 0xd7ff || (code >= 0xe000 && code <= 0xfffd) || (code >= 0x10000 && code <= 0x10ffff);
}

void append_utf8(std::string& out, std::uint32_t code) {
  const auto put = [&](std::uint32_t byte) { out += static_cast<char>(byte); };
  if (code < 0x80) return put(code);
  if (code < 0x800) {
    put(0xc0 | code >> 6U);
  } else {
    if (code < 0x10000) {
      put(0xe0 | code >> 12U);
    } else {
      put(0xf0 | code >> 18U);
      put(0x80 | (code >> 12U & 0x3fU));
    }
    put(0x80 | (code >> 6U & 0x3fU));
  }
  put(0x80 | (code & 0x3fU));
}

/// The length of the UTF-8 sequence of a character that a document may have at the front of `text`; 0: there is none.
std::size_t sequence_size(std::string_view text) {
  const auto byte = [&](std::size_t i) -> std::uint32_t { return static_cast<unsigned char>(text[i]); };
  const std::uint32_t first = byte(0);
  if (first < 0x80) return is_xml_char(first) ? 1 : 0;
  const std::size_t size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() < size) return 0;
  std::uint32_t code = first & (0xffU >> (size + 1));
  for (std::size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xc0U) != 0x80) return 0;
    code = code << 6U | (byte(i) & 0x3fU);
  }
  constexpr std::uint32_t kFirstOfSize[] = {0, 0, 0x80, 0x800, 0x10000};
  return code >= kFirstOfSize[size] && is_xml_char(code) ? size : 0;
}

/// What stands between '&' and ';'.
std::optional<std::uint32_t> reference(std::string_view name) {
  if (name == "lt") return '<';
  if (name == "gt") return '>';
  if (name == "amp") return '&';
  if (name == "quot") return '"';
  if (name == "apos") return '\'';
  if (!name.starts_with('#')) return std::nullopt;
  name.remove_prefix(1);
  const std::uint32_t base = name.starts_with('x') ? 16 : 10;
  if (base == 16) name.remove_prefix(1);
  if (name.empty() || name.size() > 8) return std::nullopt;
  std::uint64_t code = 0;
  for (const char c : name) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    const std::size_t digit = kDigits.find(c >= 'A' && c <= 'F' ? static_cast<char>(c - 'A' + 'a') : c);
    if (digit >= base) return std::nullopt;
    code = code * base + digit;
  }
  if (code > 0x10ffff || !is_xml_char(static_cast<std::uint32_t>(code))) return std::nullopt;
  return static_cast<std::uint32_t>(code);
}

/// An ampersand that begins no reference stands for itself: miniupnpc, which most programs use, escapes nothing.
bool append_text(std::string& out, std::string_view text) {
  constexpr std::size_t kMaxReference = 10;
  while (!text.empty()) {
    if (static_cast<unsigned char>(text.front()) < 0x20 && kSpace.find(text.front()) == std::string_view::npos) {
      return false;
    }
    const std::size_t end = text.substr(0, kMaxReference + 1).find(';');
    const bool refers = text.front() == '&' && end != std::string_view::npos;
    const auto code = refers ? reference(text.substr(1, end - 1)) : std::nullopt;
    if (code) {
      append_utf8(out, *code);
    } else {
      out += text.front();
    }
    text.remove_prefix(code ? end + 1 : 1);
  }
  return true;
}

struct Token {
  enum class Kind : std::uint8_t { open, close, text, end };
  Kind kind = Kind::end;
  std::string_view text;  ///< the name of an element, with its prefix, or text as it stands there
  bool is_empty = false;  ///< of `open`: <name/>
};

class XmlReader {
 public:
  explicit XmlReader(std::string_view text) : rest_(text) {
    take("\xef\xbb\xbf");
    if (rest_.starts_with("<?xml") && rest_.size() > 5 && kSpace.find(rest_[5]) != std::string_view::npos) {
      const std::size_t end = rest_.find("?>");
      rest_.remove_prefix(end == std::string_view::npos ? rest_.size() : end + 2);
    }
  }

  Result<Token> next() {
    while (take("<!--")) {
      const std::size_t end = rest_.find("-->");
      if (end == std::string_view::npos) return fail(ParseError::truncated);
      rest_.remove_prefix(end + 3);
    }
    if (rest_.empty()) return Token{};
    if (rest_.front() != '<') {
      const std::string_view text = rest_.substr(0, rest_.find('<'));
      rest_.remove_prefix(text.size());
      return Token{Token::Kind::text, text};
    }
    rest_.remove_prefix(1);
    const bool closes = take("/");
    Token token{closes ? Token::Kind::close : Token::Kind::open, name()};
    if (token.text.empty()) return fail(ParseError::bad_field);
    if (!closes && !skip_attributes()) return fail(ParseError::bad_field);
    skip_space();
    token.is_empty = !closes && take("/");
    if (!take(">")) return fail(rest_.empty() ? ParseError::truncated : ParseError::bad_field);
    return token;
  }

 private:
  bool take(std::string_view what) {
    if (!rest_.starts_with(what)) return false;
    rest_.remove_prefix(what.size());
    return true;
  }
  bool skip_space() {
    const std::size_t size = std::min(rest_.find_first_not_of(kSpace), rest_.size());
    rest_.remove_prefix(size);
    return size != 0;
  }
  std::string_view name() {
    std::size_t size = 0;
    if (!rest_.empty() && is_name_start(rest_.front())) {
      while (size < rest_.size() && is_name_char(rest_[size])) ++size;
    }
    const std::string_view found = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return found;
  }
  bool skip_attributes() {
    while (skip_space()) {
      if (name().empty()) break;
      skip_space();
      if (!take("=")) return false;
      skip_space();
      if (rest_.empty() || (rest_.front() != '"' && rest_.front() != '\'')) return false;
      const std::size_t end = rest_.find(rest_.front(), 1);
      if (end == std::string_view::npos || rest_.substr(0, end).find('<') != std::string_view::npos) return false;
      rest_.remove_prefix(end + 1);
    }
    return true;
  }

  std::string_view rest_;
};

/// Where in a call an element may stand.
class SoapReader {
 public:
  Result<SoapCall> read(std::string_view text) {
    XmlReader reader{text};
    for (;;) {
      const auto token = reader.next();
      if (!token) return fail(token.error());
      std::optional<ParseError> error;
      switch (token->kind) {
        case Token::Kind::open:
          error = open(token->text);
          if (!error && token->is_empty) open_.pop_back();
          break;
        case Token::Kind::close: error = close(token->text); break;
        case Token::Kind::text: error = content(token->text); break;
        case Token::Kind::end:
          if (!open_.empty() || call_.action.empty()) return fail(ParseError::truncated);
          return std::move(call_);
      }
      if (error) return fail(*error);
    }
  }

 private:
  static constexpr std::size_t kInAction = 3;
  static constexpr std::size_t kInArgument = 4;

  bool in_body() const { return open_.size() >= 2 && local_name(open_[1]) == "Body"; }

  std::optional<ParseError> open(std::string_view qualified) {
    const std::string_view name = local_name(qualified);
    const std::size_t depth = open_.size();
    if (depth >= kMaxXmlDepth) return ParseError::too_many;
    if (depth == 0 && (name != "Envelope" || !call_.action.empty())) return ParseError::bad_field;
    if (depth == 1 && name != "Body" && name != "Header") return ParseError::bad_field;
    if (in_body()) {
      if (depth >= kInArgument) return ParseError::bad_field;
      if (depth == kInAction) {
        if (call_.find(name) != nullptr) return ParseError::bad_field;
        if (call_.arguments.size() >= kMaxSoapArguments) return ParseError::too_many;
        call_.arguments.emplace_back(name, "");
      } else {
        if (!call_.action.empty() || name.empty()) return ParseError::bad_field;
        call_.action = name;
      }
    }
    open_.push_back(qualified);
    return std::nullopt;
  }

  std::optional<ParseError> close(std::string_view qualified) {
    if (open_.empty() || open_.back() != qualified) return ParseError::bad_field;
    open_.pop_back();
    return std::nullopt;
  }

  std::optional<ParseError> content(std::string_view text) {
    if (in_body() && open_.size() == kInArgument) {
      if (append_text(call_.arguments.back().second, text)) return std::nullopt;
      return ParseError::bad_field;
    }
    const bool in_header = open_.size() >= 2 && !in_body();
    if (in_header || is_blank(text)) return std::nullopt;
    return ParseError::bad_field;
  }

  std::vector<std::string_view> open_;
  SoapCall call_;
};

}  // namespace

const std::string* SoapCall::find(std::string_view name) const {
  const auto found = std::ranges::find(arguments, name, [](const auto& of) { return std::string_view{of.first}; });
  return found == arguments.end() ? nullptr : &found->second;
}

Result<SoapCall> parse_soap(std::string_view text) {
  if (text.size() > kMaxSoapSize) return fail(ParseError::too_many);
  return SoapReader{}.read(text);
}

std::string xml_escape(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::size_t size = sequence_size(text);
    switch (text.front()) {
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '&': out += "&amp;"; break;
      case '"': out += "&quot;"; break;
      case '\'': out += "&apos;"; break;
      default:
        if (size == 0) {
          out += '?';
        } else {
          out += text.substr(0, size);
        }
    }
    text.remove_prefix(std::max<std::size_t>(size, 1));
  }
  return out;
}

}  // namespace vnet::network
