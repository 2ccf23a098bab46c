#include "daemon/resolv_conf.hpp"

#include <fcntl.h>
#include <net/if.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>

#include "daemon/problem.hpp"
#include "dgram/file_times.hpp"
#include "dgram/socket.hpp"

namespace vnet::daemon {
namespace {

constexpr std::string_view kKeyword = "nameserver";
constexpr std::string_view kBlanks = " \t\r\v\f";

std::optional<Nameserver> parse_nameserver(std::string_view text) {
  const std::size_t percent = text.find('%');
  if (percent == std::string_view::npos) {
    const auto address = parse_ip(text);
    return address ? std::optional{Nameserver{*address, {}}} : std::nullopt;
  }
  const auto address = Ipv6Address::parse(text.substr(0, percent));
  const std::string_view zone = text.substr(percent + 1);
  if (!address || zone.empty() || zone.size() >= IF_NAMESIZE) return std::nullopt;
  return Nameserver{*address, std::string{zone}};
}

/// The value of a nameserver line; empty: it is another line.
std::string_view nameserver_value(std::string_view line) {
  if (!line.starts_with(kKeyword)) return {};
  line.remove_prefix(kKeyword.size());
  const std::size_t start = line.find_first_not_of(kBlanks);
  if (start == 0 || start == std::string_view::npos) return {};
  line.remove_prefix(start);
  return line.substr(0, line.find_first_of(kBlanks));
}

/// 0: no such zone on this host.
std::uint32_t zone_index(const std::string& zone) {
  std::uint32_t number = 0;
  const char* end = zone.data() + zone.size();
  if (const auto parsed = std::from_chars(zone.data(), end, number); parsed.ec == std::errc{} && parsed.ptr == end) {
    return number;
  }
  return ::if_nametoindex(zone.c_str());
}

}  // namespace

ResolvConf parse_resolv_conf(std::string_view text) {
  ResolvConf conf;
  while (!text.empty() && conf.nameservers.size() < kMaxNameservers) {
    const std::size_t newline = std::min(text.find('\n'), text.size());
    const std::string_view value = nameserver_value(text.substr(0, newline));
    text.remove_prefix(std::min(newline + 1, text.size()));
    if (value.empty()) continue;
    if (auto server = parse_nameserver(value)) {
      conf.nameservers.push_back(std::move(*server));
    } else if (conf.refused.size() < kMaxNameservers) {
      conf.refused.emplace_back(value);
    }
  }
  return conf;
}

std::optional<SystemResolvers::Identity> SystemResolvers::identify() const {
  struct stat info {};
  if (::stat(path_.c_str(), &info) != 0) return std::nullopt;
  return Identity{static_cast<std::uint64_t>(info.st_dev), static_cast<std::uint64_t>(info.st_ino),
                  std::int64_t{info.st_size}, dgram::nanoseconds(dgram::modified(info)),
                  dgram::nanoseconds(dgram::changed(info))};
}

bool SystemResolvers::refresh(Instant now) {
  if (now < next_check_) return false;
  next_check_ = now + kCheckInterval;
  // Looked at before it is read: a file that changes in between is read once more.
  const auto identity = identify();
  if (loaded_ && identity == identity_) return false;
  loaded_ = true;
  identity_ = identity;
  return take(parse_resolv_conf(read()));
}

std::string SystemResolvers::read() {
  const dgram::Fd file{::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  std::string text(kMaxResolvConfBytes, '\0');
  std::size_t size = 0;
  while (file && size < text.size()) {
    const ssize_t got = ::read(file.get(), text.data() + size, text.size() - size);
    if (got <= 0) break;
    size += static_cast<std::size_t>(got);
  }
  text.resize(size);
  return text;
}

bool SystemResolvers::take(const ResolvConf& conf) {
  messages_.clear();
  for (const std::string& text : conf.refused) {
    messages_.push_back(path_ + ": " + in_quotes(text) + " is not the address of a nameserver");
  }
  std::vector<dns::Endpoint> servers;
  Ipv6Zones zones;
  for (const Nameserver& server : conf.nameservers) {
    if (!server.zone.empty()) {
      const std::uint32_t index = zone_index(server.zone);
      const auto& address = std::get<Ipv6Address>(server.address);
      if (index == 0 || zones.try_emplace(address, index).first->second != index) {
        messages_.push_back(path_ + ": nameserver " + address.to_string() + "%" + server.zone + " is left out: " +
                            (index == 0 ? "no such interface" : "the same address is there in another zone"));
        continue;
      }
    }
    servers.push_back({server.address});
  }
  if (conf.nameservers.empty()) servers.push_back({Ipv4Address{127, 0, 0, 1}});
  if (servers == servers_ && zones == zones_) return false;
  servers_ = std::move(servers);
  zones_ = std::move(zones);
  return true;
}

}  // namespace vnet::daemon
