#include "agent/json.hpp"

#include <array>
#include <charconv>

namespace vnet::agent {
namespace {

class JsonReader {
 public:
  explicit JsonReader(std::string_view text) : rest_(text) {}

  [[nodiscard]] std::optional<Json> whole() {
    Json value;
    if (!read(value, 0)) return std::nullopt;
    skip();
    return rest_.empty() ? std::optional{std::move(value)} : std::nullopt;
  }

 private:
  void skip() {
    while (!rest_.empty() && (rest_.front() == ' ' || rest_.front() == '\t' || rest_.front() == '\r')) eat();
  }
  void eat() { rest_.remove_prefix(1); }
  [[nodiscard]] bool take(std::string_view word) {
    if (!rest_.starts_with(word)) return false;
    rest_.remove_prefix(word.size());
    return true;
  }
  /// Past spaces.
  [[nodiscard]] bool next(char wanted) {
    skip();
    return take({&wanted, 1});
  }

  [[nodiscard]] bool read(Json& value, int depth) {
    skip();
    if (rest_.empty() || depth > Json::kMaxDepth) return false;
    if (take("null")) return true;
    if (rest_.front() == '"') {
      value.kind = Json::Kind::text;
      return read_text(value.text);
    }
    if (take("{")) return read_list(value, Json::Kind::object, '}', depth);
    if (take("[")) return read_list(value, Json::Kind::array, ']', depth);
    const bool yes = take("true");
    if (yes || take("false")) {
      value.kind = Json::Kind::boolean;
      value.truth = yes;
      return true;
    }
    value.kind = Json::Kind::number;
    const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), value.number);
    if (error != std::errc{}) return false;
    rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
    return rest_.empty() || std::string_view{".eE"}.find(rest_.front()) == std::string_view::npos;
  }

  [[nodiscard]] bool read_list(Json& value, Json::Kind kind, char close, int depth) {
    value.kind = kind;
    if (next(close)) return true;
    do {
      if (kind == Json::Kind::object) {
        skip();
        if (rest_.empty() || rest_.front() != '"' || !read_text(value.names.emplace_back()) || !next(':')) return false;
      }
      if (!read(value.items.emplace_back(), depth + 1)) return false;
    } while (next(','));
    return next(close);
  }

  [[nodiscard]] bool read_text(std::string& text) {
    eat();
    while (!rest_.empty()) {
      const char c = rest_.front();
      eat();
      if (c == '"') return true;
      if (static_cast<unsigned char>(c) < ' ') return false;
      if (c != '\\') {
        text += c;
      } else if (!read_escape(text)) {
        return false;
      }
    }
    return false;
  }

  [[nodiscard]] bool read_escape(std::string& text) {
    if (rest_.empty()) return false;
    const char c = rest_.front();
    eat();
    constexpr std::string_view kShort = "\"\\/bfnrt";
    constexpr std::string_view kMeant = "\"\\/\b\f\n\r\t";
    if (const std::size_t at = kShort.find(c); at != std::string_view::npos) {
      text += kMeant[at];
      return true;
    }
    std::uint32_t code = 0;
    if (c != 'u' || !read_hex(code)) return false;
    if (code >= 0xd800 && code < 0xdc00) {
      std::uint32_t low = 0;
      if (!take("\\u") || !read_hex(low) || low < 0xdc00 || low > 0xdfff) return false;
      code = 0x10000 + ((code - 0xd800) << 10U) + (low - 0xdc00);
    } else if (code >= 0xdc00 && code <= 0xdfff) {
      return false;
    }
    put_utf8(code, text);
    return true;
  }

  [[nodiscard]] bool read_hex(std::uint32_t& code) {
    constexpr std::size_t kDigits = 4;
    if (rest_.size() < kDigits) return false;
    const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + kDigits, code, 16);
    if (error != std::errc{} || end != rest_.data() + kDigits) return false;
    rest_.remove_prefix(kDigits);
    return true;
  }

  static void put_utf8(std::uint32_t code, std::string& text) {
    const auto tail = [&](unsigned shift) { text += static_cast<char>(0x80U | ((code >> shift) & 0x3fU)); };
    if (code < 0x80) {
      text += static_cast<char>(code);
    } else if (code < 0x800) {
      text += static_cast<char>(0xc0U | (code >> 6U));
      tail(0);
    } else if (code < 0x10000) {
      text += static_cast<char>(0xe0U | (code >> 12U));
      tail(6);
      tail(0);
    } else {
      text += static_cast<char>(0xf0U | (code >> 18U));
      tail(12);
      tail(6);
      tail(0);
    }
  }

  std::string_view rest_;
};

constexpr std::string_view kBase64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

}  // namespace

std::optional<Json> Json::parse(std::string_view text) { return JsonReader{text}.whole(); }

const Json* Json::find(std::string_view name) const {
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (names[i] == name) return &items[i];
  }
  return nullptr;
}

std::string Json::text_at(std::string_view name) const {
  const Json* const member = find(name);
  return member != nullptr && member->kind == Kind::text ? member->text : std::string{};
}

std::int64_t Json::number_at(std::string_view name, std::int64_t otherwise) const {
  const Json* const member = find(name);
  return member != nullptr && member->kind == Kind::number ? member->number : otherwise;
}

std::string quoted(std::string_view text) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string out = "\"";
  for (const char c : text) {
    const auto code = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (code < 0x20) {
      out += "\\u00";
      out += kHex[code >> 4U];
      out += kHex[code & 15U];
    } else {
      out += c;
    }
  }
  return out + "\"";
}

std::string to_base64(std::string_view bytes) {
  std::string text;
  for (std::size_t at = 0; at < bytes.size(); at += 3) {
    std::uint32_t word = 0;
    for (std::size_t i = 0; i < 3; ++i) {
      word = (word << 8U) | (at + i < bytes.size() ? static_cast<unsigned char>(bytes[at + i]) : 0U);
    }
    for (unsigned i = 0; i < 4; ++i) {
      text += at + i > bytes.size() ? '=' : kBase64[(word >> (18U - 6U * i)) & 63U];
    }
  }
  return text;
}

std::optional<std::string> from_base64(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  while (text.ends_with('=')) text.remove_suffix(1);
  if (text.size() % 4 == 1) return std::nullopt;
  std::string bytes;
  std::uint32_t word = 0;
  unsigned bits = 0;
  for (const char c : text) {
    const std::size_t value = kBase64.find(c);
    if (value == std::string_view::npos) return std::nullopt;
    word = (word << 6U) | static_cast<std::uint32_t>(value);
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    bytes += static_cast<char>((word >> bits) & 0xffU);
  }
  return bytes;
}

}  // namespace vnet::agent
