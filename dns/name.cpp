#include "dns/name.hpp"

#include <algorithm>
#include <cassert>

#include "dns/types.hpp"

namespace vnet::dns {
namespace {

constexpr std::uint8_t kPointerBits = 0xc0;

constexpr bool is_letter(std::uint8_t octet) noexcept {
  return (octet >= 'A' && octet <= 'Z') || (octet >= 'a' && octet <= 'z');
}

// Length octets are below 64 and so never letters: whole wire forms may be folded.
constexpr std::uint8_t lower(std::uint8_t octet) noexcept {
  return octet >= 'A' && octet <= 'Z' ? static_cast<std::uint8_t>(octet | 0x20U) : octet;
}

bool equal_folded(ByteView left, ByteView right) noexcept {
  return std::equal(left.begin(), left.end(), right.begin(), right.end(),
                    [](std::uint8_t a, std::uint8_t b) { return lower(a) == lower(b); });
}

// Where each label of a name starts.
struct LabelStarts {
  explicit LabelStarts(ByteView wire) noexcept {
    for (std::size_t at = 0; wire[at] != 0; at += wire[at] + 1U) starts[count++] = static_cast<std::uint8_t>(at);
  }
  std::array<std::uint8_t, Name::kMaxSize / 2> starts;
  std::size_t count = 0;
};

// One octet of a label from presentation form; moves `text` behind it. Nothing for a broken escape.
std::optional<std::uint8_t> take_octet(std::string_view& text) noexcept {
  const char first = text.front();
  text.remove_prefix(1);
  if (first != '\\') return static_cast<std::uint8_t>(first);
  if (text.empty()) return std::nullopt;
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  if (!is_digit(text.front())) {
    const char escaped = text.front();
    text.remove_prefix(1);
    return static_cast<std::uint8_t>(escaped);
  }
  if (text.size() < 3 || !is_digit(text[1]) || !is_digit(text[2])) return std::nullopt;
  const int value = (text[0] - '0') * 100 + (text[1] - '0') * 10 + (text[2] - '0');
  if (value > 255) return std::nullopt;
  text.remove_prefix(3);
  return static_cast<std::uint8_t>(value);
}

void append_octet(std::string& text, std::uint8_t octet) {
  constexpr std::string_view kSpecial = ".\\\"();@$";
  const char character = static_cast<char>(octet);
  if (octet <= 0x20 || octet >= 0x7f) {
    text += '\\';
    text += static_cast<char>('0' + octet / 100);
    text += static_cast<char>('0' + octet / 10 % 10);
    text += static_cast<char>('0' + octet % 10);
    return;
  }
  if (kSpecial.find(character) != std::string_view::npos) text += '\\';
  text += character;
}

}  // namespace

// Puts a label (empty: the root label) behind what is there; false when it would not leave room for the root.
bool Name::append(ByteView label) noexcept {
  const std::size_t closing = label.empty() ? 0 : 1;
  if (label.size() > kMaxLabel || size_ + 1U + label.size() + closing > kMaxSize) return false;
  wire_[size_] = static_cast<std::uint8_t>(label.size());
  std::copy(label.begin(), label.end(), wire_.begin() + size_ + 1);
  size_ = static_cast<std::uint8_t>(size_ + 1U + label.size());
  return true;
}

Result<Name> Name::read(ByteView message, std::size_t& position) {
  Name name;
  name.size_ = 0;
  std::size_t at = position;
  std::size_t run_start = position;
  std::size_t after_pointer = 0;
  unsigned pointers = 0;
  for (;;) {
    if (at >= message.size()) return fail(ParseError::truncated);
    const std::uint8_t length = message[at];
    if ((length & kPointerBits) == kPointerBits) {
      if (at + 1 >= message.size()) return fail(ParseError::truncated);
      const std::size_t target = (length & 0x3fU) << 8U | message[at + 1];
      if (target >= run_start || target < kHeaderSize) return fail(ParseError::bad_field);
      if (++pointers > kMaxPointers) return fail(ParseError::too_many);
      if (after_pointer == 0) after_pointer = at + 2;
      run_start = at = target;
      continue;
    }
    if ((length & kPointerBits) != 0) return fail(ParseError::bad_field);
    if (length > message.size() - at - 1) return fail(ParseError::truncated);
    if (!name.append(message.subspan(at + 1, length))) return fail(ParseError::bad_length);
    at += 1U + length;
    if (length == 0) break;
  }
  position = after_pointer != 0 ? after_pointer : at;
  return name;
}

std::optional<Name> Name::parse(std::string_view text) {
  if (text.empty()) return std::nullopt;
  if (text == ".") return Name{};
  Name name;
  name.size_ = 0;
  while (!text.empty()) {
    std::array<std::uint8_t, kMaxLabel> label;
    std::size_t length = 0;
    while (!text.empty() && text.front() != '.') {
      const auto octet = take_octet(text);
      if (!octet || length == kMaxLabel) return std::nullopt;
      label[length++] = *octet;
    }
    if (length == 0 || !name.append({label.data(), length})) return std::nullopt;
    if (!text.empty()) text.remove_prefix(1);
  }
  name.append({});
  return name;
}

std::string Name::to_string() const {
  if (is_root()) return ".";
  std::string text;
  text.reserve(size_);
  for (std::size_t at = 0; wire_[at] != 0; at += wire_[at] + 1U) {
    if (at != 0) text += '.';
    for (const std::uint8_t octet : wire().subspan(at + 1, wire_[at])) append_octet(text, octet);
  }
  return text;
}

std::size_t Name::label_count() const noexcept { return LabelStarts{wire()}.count; }

Name Name::parent() const noexcept { return is_root() ? *this : from(1U + wire_[0]); }

Name Name::last_labels(std::size_t count) const noexcept {
  const LabelStarts labels{wire()};
  if (count >= labels.count) return *this;
  return count == 0 ? Name{} : from(labels.starts[labels.count - count]);
}

// The labels from `at`, where one starts.
Name Name::from(std::size_t at) const noexcept {
  Name result;
  const ByteView rest = wire().subspan(at);
  std::copy(rest.begin(), rest.end(), result.wire_.begin());
  result.size_ = static_cast<std::uint8_t>(rest.size());
  return result;
}

std::optional<Name> Name::prepend(ByteView label) const noexcept {
  Name result;
  result.size_ = 0;
  if (label.empty() || !result.append(label) || result.size_ + std::size_t{size_} > kMaxSize) return std::nullopt;
  std::copy(wire().begin(), wire().end(), result.wire_.begin() + result.size_);
  result.size_ = static_cast<std::uint8_t>(result.size_ + size_);
  return result;
}

bool Name::is_under(const Name& ancestor) const noexcept {
  std::size_t at = 0;
  while (size_ - at > ancestor.size_) at += wire_[at] + 1U;
  return equal_folded(wire().subspan(at), ancestor.wire());
}

bool Name::operator==(const Name& other) const noexcept { return equal_folded(wire(), other.wire()); }

bool Name::same_case(const Name& other) const noexcept { return std::ranges::equal(wire(), other.wire()); }

std::uint64_t Name::hash(std::uint64_t seed) const noexcept {
  std::uint64_t state = mix64(size_, seed);
  for (std::size_t at = 0; at < size_; at += 8) {
    std::uint64_t chunk = 0;
    for (std::size_t i = at; i < std::min<std::size_t>(at + 8, size_); ++i) chunk = chunk << 8U | lower(wire_[i]);
    state = mix64(chunk, state);
  }
  return state;
}

bool Name::canonical_less(const Name& other) const noexcept {
  const LabelStarts mine{wire()};
  const LabelStarts theirs{other.wire()};
  const auto label_from_right = [](const Name& name, const LabelStarts& labels, std::size_t i) {
    const std::size_t at = labels.starts[labels.count - 1 - i];
    return name.wire().subspan(at + 1, name.wire_[at]);
  };
  for (std::size_t i = 0; i < std::min(mine.count, theirs.count); ++i) {
    const ByteView left = label_from_right(*this, mine, i);
    const ByteView right = label_from_right(other, theirs, i);
    if (equal_folded(left, right)) continue;
    return std::lexicographical_compare(left.begin(), left.end(), right.begin(), right.end(),
                                        [](std::uint8_t a, std::uint8_t b) { return lower(a) < lower(b); });
  }
  return mine.count < theirs.count;
}

Name Name::with_random_case(const std::function<std::uint64_t()>& next) const {
  Name result = *this;
  std::uint64_t bits = 0;
  unsigned left = 0;
  for (std::uint8_t& octet : ByteSpan{result.wire_.data(), result.size_}) {
    if (!is_letter(octet)) continue;
    if (left == 0) {
      bits = next();
      left = 64;
    }
    octet = static_cast<std::uint8_t>(lower(octet) ^ ((bits & 1U) << 5U));
    bits >>= 1U;
    --left;
  }
  return result;
}

Name reverse_name(const IpAddress& address) {
  std::string text;
  if (const auto* v4 = std::get_if<Ipv4Address>(&address)) {
    const std::uint32_t value = v4->to_u32();
    for (unsigned shift = 0; shift < 32; shift += 8) text += std::to_string(value >> shift & 0xffU) + '.';
    text += "in-addr.arpa";
  } else {
    constexpr std::string_view kDigits = "0123456789abcdef";
    const auto& octets = std::get<Ipv6Address>(address).octets();
    for (std::size_t i = octets.size(); i-- > 0;) {
      text += {kDigits[octets[i] & 0xfU], '.', kDigits[octets[i] >> 4U], '.'};
    }
    text += "ip6.arpa";
  }
  const auto name = Name::parse(text);
  assert(name.has_value());
  return *name;
}

}  // namespace vnet::dns
