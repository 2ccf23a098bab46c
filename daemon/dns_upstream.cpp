#include "daemon/dns_upstream.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <limits>

#include "daemon/socket_address.hpp"
#include "dgram/socket.hpp"

namespace vnet::daemon {
namespace {

constexpr std::size_t kLengthSize = 2;  // RFC 1035, 4.2.2
constexpr std::size_t kMaxMessage = std::numeric_limits<std::uint16_t>::max();
/// Bytes taken from a connection at a time; most answers over TCP are shorter.
constexpr std::size_t kReadSize = 4096;

SocketAddress address_of(const dns::Endpoint& server, const Ipv6Zones& zones) {
  const auto* v6 = std::get_if<Ipv6Address>(&server.address);
  const auto zone = v6 != nullptr ? zones.find(*v6) : zones.end();
  return {server.address, server.port, zone != zones.end() ? zone->second : 0};
}

bool is_transient(int error) noexcept { return error == EAGAIN || error == EWOULDBLOCK || error == EINTR; }

}  // namespace

/// One query's socket. A socket may be destroyed by the listener that it has just called, so such a call is the last
/// thing that `on_ready` does.
class DnsUpstream::Socket : public dgram::Watched {
 public:
  Socket(DnsUpstream& owner, std::uint64_t handle, dgram::Fd fd) : owner_(owner), handle_(handle), fd_(std::move(fd)) {}
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  ~Socket() override {
    if (watched_) owner_.poller_.forget(fd_.get());
  }

  /// Sends the query, or begins to. False: it failed at once.
  [[nodiscard]] virtual bool start(const SocketAddress& server, ByteView query) = 0;

 protected:
  void watch(bool readable, bool writable) {
    owner_.poller_.watch(fd_.get(), readable, writable, *this);
    watched_ = true;
  }
  [[nodiscard]] int fd() const noexcept { return fd_.get(); }
  [[nodiscard]] DnsUpstream& owner() const noexcept { return owner_; }
  [[nodiscard]] std::uint64_t handle() const noexcept { return handle_; }

 private:
  DnsUpstream& owner_;
  std::uint64_t handle_;
  dgram::Fd fd_;
  bool watched_ = false;
};

class DnsUpstream::UdpSocket final : public Socket {
 public:
  using Socket::Socket;

  bool start(const SocketAddress& server, ByteView query) override {
    if (::connect(fd(), server.get(), server.size) != 0) return false;
    // A full buffer loses the datagram as any router might; the resolver asks again.
    if (::send(fd(), query.data(), query.size(), kSendFlags) < 0 && !is_transient(errno)) return false;
    watch(true, false);
    return true;
  }

  void on_ready(bool, bool) override {
    std::vector<std::uint8_t>& room = owner().datagram_;
    const ssize_t size = ::recv(fd(), room.data(), room.size(), 0);
    if (size >= 0) {
      owner().answer(handle(), ByteView{room}.first(static_cast<std::size_t>(size)));
    } else if (!is_transient(errno)) {
      owner().give_up(handle());
    }
  }
};

class DnsUpstream::TcpSocket final : public Socket {
 public:
  using Socket::Socket;

  bool start(const SocketAddress& server, ByteView query) override {
    bytes_.resize(kLengthSize + query.size());
    store_be(bytes_.data(), static_cast<std::uint16_t>(query.size()));
    std::ranges::copy(query, bytes_.begin() + kLengthSize);
    if (::connect(fd(), server.get(), server.size) != 0 && errno != EINPROGRESS) return false;
    watch(false, true);
    return true;
  }

  void on_ready(bool, bool) override {
    if (!(sent_ ? read() : write())) {
      owner().give_up(handle());
    } else if (sent_ && is_complete()) {
      deliver();
    }
  }

 private:
  // Both: false when the connection has failed.
  [[nodiscard]] bool write() {
    const ssize_t size = ::send(fd(), bytes_.data() + done_, bytes_.size() - done_, kSendFlags);
    if (size < 0) return is_transient(errno);
    done_ += static_cast<std::size_t>(size);
    if (done_ < bytes_.size()) return true;
    sent_ = true;
    bytes_.clear();
    watch(true, false);
    return true;
  }

  [[nodiscard]] bool read() {
    const std::size_t before = bytes_.size();
    bytes_.resize(before + std::min(kReadSize, kLengthSize + kMaxMessage - before));
    const ssize_t size = ::recv(fd(), bytes_.data() + before, bytes_.size() - before, 0);
    bytes_.resize(before + static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
    return size > 0 || (size < 0 && is_transient(errno));
  }

  [[nodiscard]] bool is_complete() const {
    return bytes_.size() >= kLengthSize && bytes_.size() - kLengthSize >= load_be<std::uint16_t>(bytes_.data());
  }

  void deliver() {
    DnsUpstream& upstream = owner();
    const std::uint64_t which = handle();
    const std::vector<std::uint8_t> bytes = std::move(bytes_);
    upstream.close(which);  // and so this object
    upstream.answer(which, ByteView{bytes}.subspan(kLengthSize, load_be<std::uint16_t>(bytes.data())));
  }

  std::vector<std::uint8_t> bytes_;  ///< the query with its length, then the answer with its
  std::size_t done_ = 0;             ///< bytes of the query that have been sent
  bool sent_ = false;
};

DnsUpstream::DnsUpstream(dgram::Poller& poller, UpstreamListener& listener, std::size_t max_sockets)
    : poller_(poller), listener_(listener), max_sockets_(max_sockets), datagram_(kMaxMessage) {}

DnsUpstream::~DnsUpstream() = default;

bool DnsUpstream::send(const dns::UpstreamQuery& query) {
  assert(!sockets_.contains(query.handle));
  assert(query.bytes.size() <= kMaxMessage);
  if (sockets_.size() >= max_sockets_) return false;
  const SocketAddress server = address_of(query.server, zones_);
  dgram::Fd fd = make_inet_socket(server.family(), query.tcp ? SOCK_STREAM : SOCK_DGRAM);
  if (!fd) return false;
  std::unique_ptr<Socket> socket;
  if (query.tcp) {
    socket = std::make_unique<TcpSocket>(*this, query.handle, std::move(fd));
  } else {
    socket = std::make_unique<UdpSocket>(*this, query.handle, std::move(fd));
  }
  if (!socket->start(server, query.bytes)) return false;
  sockets_.emplace(query.handle, std::move(socket));
  return true;
}

void DnsUpstream::close(std::uint64_t handle) { sockets_.erase(handle); }

void DnsUpstream::give_up(std::uint64_t handle) {
  close(handle);
  listener_.on_upstream_error(handle);
}

}  // namespace vnet::daemon
