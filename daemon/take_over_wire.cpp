#include "daemon/take_over_wire.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>

#include "packet/bytes.hpp"

namespace vnet::daemon {
namespace {

constexpr std::string_view kGo = "go\n";
constexpr std::string_view kOk = "ok\n";
/// For one read or write. A successor that needs longer to begin serving has something wrong with it.
constexpr timeval kStepLimit = {3, 0};
constexpr std::size_t kFdsPerGroup = 64;
constexpr std::size_t kLengthBytes = 4;

using Done = Result<void, std::string>;

std::string failure(std::string_view what) {
  if (errno == EAGAIN || errno == EWOULDBLOCK) return std::string{what} + ": the other side does not answer";
  return std::string{what} + ": " + std::strerror(errno);
}

Done make_blocking(const dgram::Fd& connection) {
  const int flags = ::fcntl(connection.get(), F_GETFL);
  if (flags < 0 || ::fcntl(connection.get(), F_SETFL, flags & ~O_NONBLOCK) != 0) return fail(failure("take-over"));
  (void)::setsockopt(connection.get(), SOL_SOCKET, SO_RCVTIMEO, &kStepLimit, sizeof kStepLimit);
  (void)::setsockopt(connection.get(), SOL_SOCKET, SO_SNDTIMEO, &kStepLimit, sizeof kStepLimit);
  return {};
}

Done send_all(const dgram::Fd& connection, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::send(connection.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return fail(failure("take-over: write"));
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

Done read_all(const dgram::Fd& connection, char* bytes, std::size_t size) {
  while (size > 0) {
    const ssize_t got = ::recv(connection.get(), bytes, size, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got == 0) return fail(std::string{"take-over: the other side has gone"});
    if (got < 0) return fail(failure("take-over: read"));
    bytes += got;
    size -= static_cast<std::size_t>(got);
  }
  return {};
}

Done expect(const dgram::Fd& connection, std::string_view word) {
  std::array<char, kGo.size()> read{};
  if (auto done = read_all(connection, read.data(), word.size()); !done) return done;
  if (std::string_view{read.data(), word.size()} != word) return fail(std::string{"take-over: an unexpected word"});
  return {};
}

/// Room for one group of descriptors beside a byte.
struct Ancillary {
  alignas(cmsghdr) std::array<char, CMSG_SPACE(kFdsPerGroup * sizeof(int))> bytes{};
};

Done send_group(const dgram::Fd& connection, std::span<const int> fds) {
  char byte = 'F';
  iovec vector{&byte, 1};
  Ancillary ancillary;
  msghdr message{};
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  message.msg_control = ancillary.bytes.data();
  message.msg_controllen = static_cast<decltype(message.msg_controllen)>(CMSG_SPACE(fds.size_bytes()));
  cmsghdr* const header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = static_cast<decltype(header->cmsg_len)>(CMSG_LEN(fds.size_bytes()));
  std::memcpy(CMSG_DATA(header), fds.data(), fds.size_bytes());
  while (::sendmsg(connection.get(), &message, MSG_NOSIGNAL) != 1) {
    if (errno != EINTR) return fail(failure("take-over: descriptors"));
  }
  return {};
}

Done receive_group(const dgram::Fd& connection, std::vector<dgram::Fd>& fds) {
  const std::size_t before = fds.size();
  char byte = 0;
  iovec vector{&byte, 1};
  Ancillary ancillary;
  msghdr message{};
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  message.msg_control = ancillary.bytes.data();
  message.msg_controllen = ancillary.bytes.size();
  ssize_t got = 0;
  do {
    got = ::recvmsg(connection.get(), &message, 0);
  } while (got < 0 && errno == EINTR);
  if (got < 0) return fail(failure("take-over: descriptors"));
  if (got == 0) return fail(std::string{"take-over: the other side has gone"});
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(header) + i * sizeof fd, sizeof fd);
      fds.emplace_back(fd);
      (void)::fcntl(fd, F_SETFD, FD_CLOEXEC);
    }
  }
  if ((message.msg_flags & MSG_CTRUNC) != 0)
    return fail(std::string{"take-over: too few descriptors are allowed here"});
  if (fds.size() == before) return fail(std::string{"take-over: descriptors did not come"});
  return {};
}

}  // namespace

Done hear_first_word(const dgram::Fd& connection) {
  if (auto done = make_blocking(connection); !done) return done;
  return expect(connection, kGo);
}

Done send_estate(const dgram::Fd& connection, const Json& document, std::span<const int> fds) {
  const std::string text = document.dump(-1, ' ', false, Json::error_handler_t::replace);
  std::array<std::uint8_t, kLengthBytes> length{};
  store_be(length.data(), static_cast<std::uint32_t>(text.size()));
  if (auto done = send_all(connection, {reinterpret_cast<const char*>(length.data()), length.size()}); !done)
    return done;
  if (auto done = send_all(connection, text); !done) return done;
  while (!fds.empty()) {
    const std::size_t count = std::min(fds.size(), kFdsPerGroup);
    if (auto done = send_group(connection, fds.first(count)); !done) return done;
    fds = fds.subspan(count);
  }
  return {};
}

Done wait_for_confirmation(const dgram::Fd& connection) { return expect(connection, kOk); }

Result<Estate, std::string> receive_estate(const dgram::Fd& connection) {
  if (auto done = make_blocking(connection); !done) return fail(done.error());
  if (auto done = send_all(connection, kGo); !done) return fail(done.error());
  std::array<std::uint8_t, kLengthBytes> length{};
  if (auto done = read_all(connection, reinterpret_cast<char*>(length.data()), length.size()); !done) {
    return fail(done.error());
  }
  const std::size_t size = load_be<std::uint32_t>(length.data());
  if (size > kMaxEstateBytes) return fail(std::string{"take-over: the document is too long"});
  std::string text(size, '\0');
  if (auto done = read_all(connection, text.data(), size); !done) return fail(done.error());
  Estate estate;
  // The other side is another version of this program: what it says is looked at before it is used.
  if (auto document = parse_json_text(text)) estate.document = std::move(*document);
  if (!estate.document.is_object() || !estate.document.contains("fds") ||
      !estate.document.at("fds").is_number_unsigned() || estate.document.at("fds").get<std::size_t>() > kMaxEstateFds) {
    return fail(std::string{"take-over: the document is not one of ours"});
  }
  const auto count = estate.document.at("fds").get<std::size_t>();
  while (estate.fds.size() < count) {
    if (auto done = receive_group(connection, estate.fds); !done) return fail(done.error());
  }
  return estate;
}

Done confirm(const dgram::Fd& connection) { return send_all(connection, kOk); }

}  // namespace vnet::daemon
