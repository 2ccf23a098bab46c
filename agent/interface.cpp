#include "agent/interface.hpp"

#include <dirent.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <vector>

namespace vnet::agent {
namespace {

constexpr unsigned kCarrier = 1U << 16U;  // IFF_LOWER_UP, which <net/if.h> does not have

/// Messages to the kernel, one behind the other, numbered from 1.
class Batch {
 public:
  template <typename Body>
  void begin(std::uint16_t type, std::uint16_t flags, const Body& body, const char* what) {
    start_ = bytes_.size();
    what_.emplace_back(what);
    nlmsghdr header{};
    header.nlmsg_type = type;
    header.nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | NLM_F_ACK | flags);
    header.nlmsg_seq = static_cast<std::uint32_t>(what_.size());
    put(&header, sizeof header);
    put(&body, sizeof body);
    end();
  }
  void attribute(std::uint16_t type, const void* value, std::size_t size) {
    rtattr header{};
    header.rta_type = type;
    header.rta_len = static_cast<unsigned short>(RTA_LENGTH(size));
    put(&header, sizeof header);
    put(value, size);
    bytes_.resize(NLMSG_ALIGN(bytes_.size()));
    end();
  }
  void address(std::uint16_t type, const Address& address) { attribute(type, address.bytes.data(), address.size()); }

  /// Sends all and waits for the kernel's word about each, which is there when `send` returns.
  [[nodiscard]] std::string run() const {
    const int fd = ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (fd < 0) return std::string{"netlink: "} + std::strerror(errno);
    std::string problems;
    if (::send(fd, bytes_.data(), bytes_.size(), 0) < 0) problems = std::string{"netlink: "} + std::strerror(errno);
    for (std::size_t seen = 0; problems.empty() && seen < what_.size();) {
      alignas(nlmsghdr) std::array<char, 16384> buffer;
      const ssize_t size = ::recv(fd, buffer.data(), buffer.size(), MSG_DONTWAIT);
      if (size <= 0) break;
      auto left = static_cast<unsigned>(size);
      for (auto* at = reinterpret_cast<nlmsghdr*>(buffer.data()); NLMSG_OK(at, left); at = NLMSG_NEXT(at, left)) {
        if (at->nlmsg_type != NLMSG_ERROR) continue;
        ++seen;
        nlmsgerr error{};
        std::memcpy(&error, NLMSG_DATA(at), sizeof error);
        if (error.error != 0 && at->nlmsg_seq >= 1 && at->nlmsg_seq <= what_.size()) {
          note(what_[at->nlmsg_seq - 1], -error.error, problems);
        }
      }
    }
    ::close(fd);
    return problems;
  }

 private:
  static void note(const std::string& what, int code, std::string& problems) {
    const bool is_gone_anyway = what.starts_with("remove");
    if (is_gone_anyway) return;
    problems += (problems.empty() ? "" : "; ") + what + ": " + std::strerror(code);
  }
  void put(const void* value, std::size_t size) {
    const std::size_t at = bytes_.size();
    bytes_.resize(at + size);
    std::memcpy(bytes_.data() + at, value, size);
  }
  /// What has been put belongs to the present message.
  void end() {
    const auto size = static_cast<std::uint32_t>(bytes_.size() - start_);
    std::memcpy(bytes_.data() + start_ + offsetof(nlmsghdr, nlmsg_len), &size, sizeof size);
  }

  std::vector<char> bytes_;
  std::size_t start_ = 0;
  std::vector<std::string> what_;
};

void put_address(Batch& batch, int index, const Address& address, bool remove) {
  if (address.family == 0) return;
  ifaddrmsg body{};
  body.ifa_family = static_cast<unsigned char>(address.family);
  body.ifa_prefixlen = address.prefix;
  body.ifa_index = static_cast<unsigned>(index);
  // The host has chosen it: nobody else has it, and to look for one would take a second.
  if (address.family == AF_INET6) body.ifa_flags = IFA_F_NODAD;
  if (remove) {
    batch.begin(RTM_DELADDR, 0, body, "remove the address");
  } else {
    batch.begin(RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, body,
                address.family == AF_INET ? "address" : "IPv6 address");
  }
  batch.address(IFA_LOCAL, address);
  batch.address(IFA_ADDRESS, address);
}

void put_default_route(Batch& batch, int index, const Address& gateway, bool remove) {
  if (gateway.family == 0) return;
  rtmsg body{};
  body.rtm_family = static_cast<unsigned char>(gateway.family);
  body.rtm_table = RT_TABLE_MAIN;
  body.rtm_protocol = RTPROT_STATIC;
  body.rtm_scope = RT_SCOPE_UNIVERSE;
  body.rtm_type = RTN_UNICAST;
  if (gateway.family == AF_INET) body.rtm_flags = RTNH_F_ONLINK;  // it may lie outside of the prefix
  if (remove) {
    batch.begin(RTM_DELROUTE, 0, body, "remove the default route");
  } else {
    batch.begin(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, body,
                gateway.family == AF_INET ? "default route" : "IPv6 default route");
  }
  batch.address(RTA_GATEWAY, gateway);
  batch.attribute(RTA_OIF, &index, sizeof index);
}

}  // namespace

void Interface::find(const std::string& name, const std::optional<Mac>& mac) {
  const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  struct if_nameindex* const all = ::if_nameindex();
  int matches = 0;
  for (const struct if_nameindex* at = all; all != nullptr && at->if_index != 0; ++at) {
    ifreq request{};
    std::strncpy(request.ifr_name, at->if_name, IFNAMSIZ - 1);
    if (::ioctl(fd, SIOCGIFHWADDR, &request) != 0 || request.ifr_hwaddr.sa_family != ARPHRD_ETHER) continue;
    Mac its{};
    std::memcpy(its.data(), request.ifr_hwaddr.sa_data, its.size());
    const bool match = !name.empty() ? name == at->if_name : !mac || *mac == its;
    if (!match || ++matches > 1) continue;
    index_ = static_cast<int>(at->if_index);
    name_ = at->if_name;
    mac_ = its;
  }
  if (matches != 1) index_ = 0;
  ::if_freenameindex(all);
  ::close(fd);
}

std::string Interface::set(const Assignment& wanted) {
  Batch batch;
  ifinfomsg link{};
  link.ifi_index = index_;
  link.ifi_flags = IFF_UP;
  link.ifi_change = IFF_UP;
  batch.begin(RTM_NEWLINK, 0, link, wanted.mtu == 0 ? "link up" : "link up and MTU");
  if (wanted.mtu != 0) batch.attribute(IFLA_MTU, &wanted.mtu, sizeof wanted.mtu);
  if (set_) {
    if (set_->gateway != wanted.gateway) put_default_route(batch, index_, set_->gateway, true);
    if (set_->gateway6 != wanted.gateway6) put_default_route(batch, index_, set_->gateway6, true);
    if (set_->ip != wanted.ip) put_address(batch, index_, set_->ip, true);
    if (set_->ip6 != wanted.ip6) put_address(batch, index_, set_->ip6, true);
  }
  put_address(batch, index_, wanted.ip, false);
  put_address(batch, index_, wanted.ip6, false);
  put_default_route(batch, index_, wanted.gateway, false);
  put_default_route(batch, index_, wanted.gateway6, false);
  set_ = wanted;
  return batch.run();
}

std::string change_mac(const Mac& was, const Mac& now) {
  Interface interface;
  interface.find({}, now);
  if (interface.index() != 0) return {};
  interface.find({}, was);
  if (interface.index() == 0) return "there is no interface " + to_string(was);
  Batch batch;
  ifinfomsg link{};
  link.ifi_index = interface.index();
  batch.begin(RTM_NEWLINK, 0, link, "MAC address");
  batch.attribute(IFLA_ADDRESS, now.data(), now.size());
  return batch.run();
}

LinkWatch::LinkWatch() : fd_(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE)) {
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_groups = RTMGRP_LINK;
  (void)::bind(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address);
}

LinkWatch::~LinkWatch() { ::close(fd_); }

void LinkWatch::ask() const {
  struct {
    nlmsghdr header;
    ifinfomsg body;
  } request{};
  request.header.nlmsg_len = sizeof request;
  request.header.nlmsg_type = RTM_GETLINK;
  request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  (void)::send(fd_, &request, sizeof request, 0);
}

std::optional<bool> LinkWatch::read(int index) const {
  std::optional<bool> carrier;
  alignas(nlmsghdr) std::array<char, 32768> buffer;
  for (;;) {
    const ssize_t size = ::recv(fd_, buffer.data(), buffer.size(), 0);
    if (size < 0 && errno == ENOBUFS) ask();  // something was lost
    if (size <= 0) return carrier;
    auto left = static_cast<unsigned>(size);
    for (auto* at = reinterpret_cast<nlmsghdr*>(buffer.data()); NLMSG_OK(at, left); at = NLMSG_NEXT(at, left)) {
      if (at->nlmsg_type != RTM_NEWLINK) continue;
      ifinfomsg link{};
      std::memcpy(&link, NLMSG_DATA(at), sizeof link);
      if (link.ifi_index == index) carrier = (link.ifi_flags & kCarrier) != 0;
    }
  }
}

}  // namespace vnet::agent
