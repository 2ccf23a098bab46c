#include "daemon/lease_journal.hpp"

#include <cassert>
#include <nlohmann/json.hpp>

#include "daemon/control/hex.hpp"
#include "daemon/json_text.hpp"
#include "dhcp/option_values.hpp"
#include "packet/bytes.hpp"

namespace vnet::daemon {
namespace {

constexpr std::string_view kSealStart = R"(,"fnv1a":")";
constexpr std::string_view kSealEnd = R"("})";
constexpr std::size_t kHashDigits = 16;
constexpr std::size_t kSealSize = kSealStart.size() + kHashDigits + kSealEnd.size();
constexpr std::size_t kTypicalLineBytes = 256;
constexpr std::size_t kMaxClientBytes = 255;
/// The year 10,000 in Unix seconds: later than every lease, and far from where arithmetic overflows.
constexpr std::int64_t kMaxTime = 253'402'300'800;
constexpr std::string_view kHexDigits = "0123456789abcdef";

std::uint64_t fnv1a(std::string_view text) noexcept {
  std::uint64_t hash = 0xcbf29ce484222325U;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
  return hash;
}

/// `,"fnv1a":"..."}` for what stands before it.
std::string seal_of(std::string_view body) {
  std::string seal{kSealStart};
  const std::uint64_t hash = fnv1a(body);
  for (unsigned shift = 64; shift > 0; shift -= 4) seal += kHexDigits[hash >> (shift - 4) & 0xfU];
  return seal.append(kSealEnd);
}

/// The line of an object that lacks its closing brace.
std::string sealed(std::string body) {
  const std::string seal = seal_of(body);
  return body.append(seal) += '\n';
}

/// The text of a member; empty when it is absent or no text.
std::string_view text_of(const Json& object, const char* name) {
  const auto member = object.find(name);
  if (member == object.end() || !member->is_string()) return {};
  return member->get_ref<const std::string&>();
}

/// A time; -1 when it is absent or none that occurs.
std::int64_t time_of(const Json& object, const char* name) {
  const auto member = object.find(name);
  if (member == object.end() || !member->is_number_integer()) return -1;
  if (member->is_number_unsigned() && member->get<std::uint64_t>() > kMaxTime) return -1;
  return member->get<std::int64_t>();
}

bool is_name_or_empty(std::string_view name) { return name.empty() || dhcp::is_domain_name(name); }

/// The object of a sealed line, without looking at what it says.
Json unseal(std::string_view line) {
  if (line.size() < kSealSize || line.size() > kMaxLineBytes) return Json::value_t::discarded;
  const std::string_view body = line.substr(0, line.size() - kSealSize);
  if (line.substr(body.size()) != seal_of(body)) return Json::value_t::discarded;
  return Json::parse(line, nullptr, false);
}

bool is_header(std::string_view line) { return std::string{line} + '\n' == header_line(); }

}  // namespace

std::string seal_line(std::string_view object) { return sealed(std::string{object.substr(0, object.size() - 1)}); }

std::string header_line() {
  std::string line{R"({"format":"vnet leases","version":1)"};
  return sealed(std::move(line));
}

// By hand: nothing in a record needs escaping, and a journal that is written anew has a line for each lease.
std::string to_line(const LeaseRecord& record) {
  assert(dhcp::is_domain_name(record.network));
  std::string line;
  line.reserve(kTypicalLineBytes);
  line.append(R"({"network":")").append(record.network).append(R"(","ip":")").append(record.ip.to_string());
  if (record.forgotten) return sealed(std::move(line.append(R"(","forgotten":true)")));
  line.append(R"(","mac":")").append(record.mac.to_string()).append(R"(","client":")");
  line.append(to_hex(record.client));
  line.append(R"(","hostname":")").append(is_name_or_empty(record.hostname) ? record.hostname : std::string{});
  line.append(R"(","written":)").append(std::to_string(record.written));
  line.append(R"(,"expires":)").append(std::to_string(record.expires));
  return sealed(std::move(line));
}

std::optional<LeaseRecord> parse_line(std::string_view line) {
  const Json object = unseal(line);
  if (!object.is_object()) return std::nullopt;
  LeaseRecord record;
  record.network = text_of(object, "network");
  const auto ip = Ipv4Address::parse(text_of(object, "ip"));
  if (!dhcp::is_domain_name(record.network) || !ip) return std::nullopt;
  record.ip = *ip;
  if (object.value("forgotten", Json{}) == true) {
    record.forgotten = true;
    return record;
  }
  const auto mac = MacAddress::parse(text_of(object, "mac"));
  auto client = from_hex(text_of(object, "client"));
  if (!mac || !client || client->empty() || client->size() > kMaxClientBytes) return std::nullopt;
  record.mac = *mac;
  record.client = std::move(*client);
  record.hostname = text_of(object, "hostname");
  record.written = time_of(object, "written");
  record.expires = time_of(object, "expires");
  if (!is_name_or_empty(record.hostname) || record.written < 0 || record.expires < 0) return std::nullopt;
  return record;
}

void JournalReader::feed(std::string_view piece) {
  while (!piece.empty()) {
    const std::size_t newline = piece.find('\n');
    const std::string_view part = piece.substr(0, newline);
    too_long_ = too_long_ || line_.size() + part.size() > kMaxLineBytes;
    if (!too_long_) line_ += part;
    if (newline == std::string_view::npos) return;
    end_line();
    piece.remove_prefix(newline + 1);
  }
}

void JournalReader::finish() {
  if (too_long_ || !line_.empty()) end_line();
}

void JournalReader::end_line() {
  if (first_ && !too_long_ && is_header(line_)) {
    header_ = true;
  } else if (auto record = too_long_ ? std::nullopt : parse_line(line_)) {
    ++good_;
    sink_(std::move(*record));
  } else {
    ++bad_;
  }
  first_ = false;
  too_long_ = false;
  line_.clear();
}

}  // namespace vnet::daemon
