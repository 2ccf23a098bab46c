#include "daemon/host_echo.hpp"

#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

#include "daemon/error_queue.hpp"
#include "packet/checksum.hpp"
#include "packet/transport.hpp"

#if defined(__linux__)
#include <linux/filter.h>
#endif

namespace vnet::daemon {
namespace {

/// Type, code, checksum and identifier: what is before a payload.
constexpr std::size_t kHead = OutgoingDatagrams::kMaxHead;

constexpr std::uint8_t request_type(bool v4) noexcept {
  return v4 ? icmp_type::kEchoRequest : icmp6_type::kEchoRequest;
}
constexpr std::uint8_t reply_type(bool v4) noexcept { return v4 ? icmp_type::kEchoReply : icmp6_type::kEchoReply; }

#if defined(__linux__)

dgram::Fd open_ping(bool v4) noexcept {
  return v4 ? make_inet_socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP)
            : make_inet_socket(AF_INET6, SOCK_DGRAM, IPPROTO_ICMPV6);
}

/// Lets in replies with `identifier` only. A raw socket of IPv4 sees the header of IP before them.
bool filter(const dgram::Fd& fd, bool v4, std::uint16_t identifier) noexcept {
  const auto statement = [](int code, std::uint32_t k) {
    return sock_filter{static_cast<std::uint16_t>(code), 0, 0, k};
  };
  const auto skip_unless = [](std::uint32_t k, std::uint8_t count) {
    return sock_filter{BPF_JMP | BPF_JEQ | BPF_K, 0, count, k};
  };
  std::array<sock_filter, 7> program{v4 ? statement(BPF_LDX | BPF_B | BPF_MSH, 0) : statement(BPF_LDX | BPF_IMM, 0),
                                     statement(BPF_LD | BPF_B | BPF_IND, 0),
                                     skip_unless(reply_type(v4), 3),
                                     statement(BPF_LD | BPF_H | BPF_IND, 4),
                                     skip_unless(identifier, 1),
                                     statement(BPF_RET | BPF_K, 0xffff'ffffU),
                                     statement(BPF_RET | BPF_K, 0)};
  const sock_fprog code{static_cast<unsigned short>(program.size()), program.data()};
  return ::setsockopt(fd.get(), SOL_SOCKET, SO_ATTACH_FILTER, &code, sizeof code) == 0;
}

dgram::Fd open_raw(bool v4, std::uint16_t identifier) noexcept {
  dgram::Fd fd =
      v4 ? make_inet_socket(AF_INET, SOCK_RAW, IPPROTO_ICMP) : make_inet_socket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6);
  if (fd && !filter(fd, v4, identifier)) return {};
  return fd;
}

#else

dgram::Fd open_ping(bool) noexcept {
  errno = EACCES;
  return {};
}
dgram::Fd open_raw(bool, std::uint16_t) noexcept { return open_ping(true); }

#endif

}  // namespace

std::optional<std::uint16_t> EchoIdentifiers::take() noexcept {
  for (std::size_t tries = 0; tries < used_.size(); ++tries) {
    const std::uint16_t identifier = next_++;
    if (used_.test(identifier)) continue;
    used_.set(identifier);
    return identifier;
  }
  return std::nullopt;
}

Result<std::unique_ptr<HostEcho>, int> HostEcho::open(EdgePoll& poll, nat::FlowId flow, int family, DatagramRoom& room,
                                                      EchoIdentifiers& identifiers) {
  const bool v4 = family == AF_INET;
  std::optional<std::uint16_t> identifier;
  dgram::Fd fd = open_ping(v4);
  if (!fd) {
    if (errno != EACCES && errno != EPERM && errno != EPROTONOSUPPORT) return fail(errno);
    identifier = identifiers.take();
    if (!identifier) return fail(ENOBUFS);
    fd = open_raw(v4, *identifier);
    if (!fd) {
      identifiers.give_back(*identifier);
      return fail(errno);
    }
  }
  keep_errors(fd.get(), family);
  return std::unique_ptr<HostEcho>{new HostEcho{poll, flow, std::move(fd), family, room, identifiers, identifier}};
}

HostEcho::HostEcho(EdgePoll& poll, nat::FlowId flow, dgram::Fd fd, int family, DatagramRoom& room,
                   EchoIdentifiers& identifiers, std::optional<std::uint16_t> identifier)
    : HostDatagram(poll, flow, std::move(fd), room),
      v4_(family == AF_INET),
      identifiers_(identifiers),
      identifier_(identifier) {}

HostEcho::~HostEcho() {
  if (identifier_) identifiers_.give_back(*identifier_);
}

std::size_t HostEcho::write_head(const nat::OutDatagram& datagram, OutgoingDatagrams::Head& head) const {
  head = {request_type(v4_), 0, 0, 0, 0, 0};
  if (!identifier_) return kHead;
  store_be(head.data() + 4, *identifier_);
  // Of ICMPv6, whose checksum covers addresses that the kernel chooses, the kernel makes it.
  if (v4_) store_be(head.data() + 2, Checksum{}.add(head).add(datagram.payload).finish());
  return kHead;
}

std::optional<ByteView> HostEcho::read_payload(ByteView bytes) const {
  if (identifier_ && v4_) {
    const std::size_t header = bytes.empty() ? 0 : (bytes[0] & 0x0fU) * std::size_t{4};
    if (bytes.size() < header) return std::nullopt;
    bytes = bytes.subspan(header);
  }
  return read_message(bytes, reply_type(v4_));
}

std::optional<ByteView> HostEcho::read_quoted(ByteView bytes) const { return read_message(bytes, request_type(v4_)); }

std::optional<ByteView> HostEcho::read_message(ByteView bytes, std::uint8_t type) const {
  if (bytes.size() < kHead || bytes[0] != type) return std::nullopt;
  if (identifier_ && load_be<std::uint16_t>(bytes.data() + 4) != *identifier_) return std::nullopt;
  return bytes.subspan(kHead);
}

}  // namespace vnet::daemon
