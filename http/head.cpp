#include "http/head.hpp"

#include <http_parser.h>

#include <algorithm>
#include <cassert>

namespace vnet::http {
namespace {

constexpr std::string_view kLineEnd = "\r\n";
constexpr std::string_view kTokenMarks = "!#$%&'*+-.^_`|~";

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// RFC 9110, section 5.6.2.
bool is_token(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) ||
           kTokenMarks.find(c) != std::string_view::npos;
  });
}

/// Section 2.3: exactly one digit, a dot, and one digit.
bool is_version(std::string_view text) {
  return text.size() == 8 && text.starts_with("HTTP/") && is_digit(text[5]) && text[6] == '.' && is_digit(text[7]);
}

/// A control character other than a tab; the fields of RFC 9110, section 5.5, have none.
bool has_control(std::string_view text) {
  return std::ranges::any_of(text, [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte < 0x20 && c != '\t') || byte == 0x7f;
  });
}

std::string lower(std::string_view text) {
  std::string result{text};
  for (char& c : result) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return result;
}

std::optional<Fault> check_version(std::string_view version) {
  if (!is_version(version)) return Fault{400, "the start line's HTTP version is malformed"};
  if (version[5] != '1') return Fault{505, "only HTTP/1.0 and HTTP/1.1 are spoken here"};
  return std::nullopt;
}

/// Section 3: method SP target SP version, single spaces.
std::optional<Fault> check_request_line(std::string_view line) {
  const std::size_t first = line.find(' ');
  const std::size_t last = line.rfind(' ');
  if (first == std::string_view::npos || first == last) return Fault{400, "the request line needs three words"};
  const std::string_view target = line.substr(first + 1, last - first - 1);
  const bool printable = std::ranges::all_of(target, [](char c) { return c > ' ' && c <= '~'; });
  if (!is_token(line.substr(0, first)) || target.empty() || !printable) {
    return Fault{400, "the request line is malformed"};
  }
  return check_version(line.substr(last + 1));
}

/// Section 4: version SP three digits, and SP reason where there is one.
std::optional<Fault> check_status_line(std::string_view line) {
  constexpr std::size_t kCode = 9;
  if (line.size() < kCode + 3 || line[kCode - 1] != ' ') return Fault{400, "the status line is malformed"};
  const std::string_view code = line.substr(kCode, 3);
  const std::string_view reason = line.substr(kCode + 3);
  if (code[0] < '1' || code[0] > '5' || !std::ranges::all_of(code, is_digit) ||
      (!reason.empty() && reason.front() != ' ') || has_control(reason)) {
    return Fault{400, "the status line is malformed"};
  }
  return check_version(line.substr(0, kCode - 1));
}

std::optional<Fault> check_field_line(std::string_view line) {
  if (line.front() == ' ' || line.front() == '\t') return Fault{400, "a header field is folded over two lines"};
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos || !is_token(line.substr(0, colon))) {
    return Fault{400, "a header field's name is malformed"};
  }
  if (has_control(line.substr(colon + 1))) return Fault{400, "a header field has a control character"};
  return std::nullopt;
}

using CheckStartLine = std::optional<Fault> (*)(std::string_view);

std::optional<Fault> check_lines(std::string_view text, CheckStartLine check_start_line) {
  std::size_t fields = 0;
  bool is_start = true;
  while (text != kLineEnd) {
    const std::size_t end = text.find(kLineEnd);
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end + kLineEnd.size());
    if (auto fault = is_start ? check_start_line(line) : check_field_line(line)) return fault;
    if (!is_start && ++fields > kMaxFields) {
      return Fault{431, "more than " + std::to_string(kMaxFields) + " header fields"};
    }
    is_start = false;
  }
  return std::nullopt;
}

/// What the parser's callbacks fill; it gives a whole head's pieces one by one, but may cut any of them.
struct Collector {
  Head head;
  bool in_value = true;

  static Collector& of(http_parser* parser) { return *static_cast<Collector*>(parser->data); }
  void add_name(std::string_view piece) {
    if (in_value) head.fields.emplace_back();
    in_value = false;
    head.fields.back().first += piece;
  }
  void add_value(std::string_view piece) {
    in_value = true;
    head.fields.back().second += piece;
  }
};

http_parser_settings make_settings() {
  http_parser_settings settings{};
  settings.on_url = [](http_parser* parser, const char* at, std::size_t size) {
    Collector::of(parser).head.target.append(at, size);
    return 0;
  };
  settings.on_header_field = [](http_parser* parser, const char* at, std::size_t size) {
    Collector::of(parser).add_name({at, size});
    return 0;
  };
  settings.on_header_value = [](http_parser* parser, const char* at, std::size_t size) {
    Collector::of(parser).add_value({at, size});
    return 0;
  };
  // 2: whatever follows is not for this parser, see BodyDecoder.
  settings.on_headers_complete = [](http_parser* parser) {
    Collector::of(parser).head.persistent = http_should_keep_alive(parser) != 0;
    return 2;
  };
  return settings;
}

Fault fault_of(http_errno code) {
  const std::string detail = http_errno_description(code);
  switch (code) {
    case HPE_INVALID_METHOD: return {501, "this method is not known here"};
    case HPE_INVALID_VERSION: return {505, detail};
    case HPE_HEADER_OVERFLOW: return {431, detail};
    default: return {400, detail};
  }
}

Result<Head, Fault> parse(http_parser_type type, std::string_view text) {
  static const http_parser_settings kSettings = make_settings();
  Collector collector;
  http_parser parser{};
  http_parser_init(&parser, type);
  parser.data = &collector;
  // Whether the lengths agree is judged in framing.cpp, for which http_parser must let both pass.
  parser.allow_chunked_length = 1;
  http_parser_execute(&parser, &kSettings, text.data(), text.size());
  const http_errno code = HTTP_PARSER_ERRNO(&parser);
  if (code != HPE_OK) return fail(fault_of(code));
  Head& head = collector.head;
  if (type == HTTP_REQUEST) head.method = http_method_str(static_cast<http_method>(parser.method));
  head.status = static_cast<int>(parser.status_code);
  head.minor = parser.http_minor;
  for (auto& [name, value] : head.fields) {
    name = lower(name);
    value.erase(value.find_last_not_of(" \t") + 1);
  }
  return std::move(head);
}

}  // namespace

Result<std::size_t, Fault> HeadReader::feed(std::string_view bytes) {
  assert(!complete_);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    text_ += bytes[i];
    if (bytes[i] != '\n') {
      if (text_.size() > max_bytes_) return refuse(431, "more than " + std::to_string(max_bytes_) + " bytes of header");
      continue;
    }
    const std::string_view line = std::string_view{text_}.substr(line_);
    if (!line.ends_with(kLineEnd)) return refuse(400, "a line ends in a bare line feed");
    line_ = text_.size();
    if (line != kLineEnd) continue;
    if (text_ != kLineEnd) {
      complete_ = true;
      return i + 1;
    }
    if (++empty_lines_ > kMaxEmptyLines) return refuse(400, "too many empty lines before the start line");
    text_.clear();
    line_ = 0;
  }
  return bytes.size();
}

Result<Head, Fault> parse_request_head(std::string_view text) {
  if (auto fault = check_lines(text, check_request_line)) return fail(std::move(*fault));
  return parse(HTTP_REQUEST, text);
}

Result<Head, Fault> parse_reply_head(std::string_view text) {
  if (auto fault = check_lines(text, check_status_line)) return fail(std::move(*fault));
  return parse(HTTP_RESPONSE, text);
}

}  // namespace vnet::http
