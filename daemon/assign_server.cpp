#include "daemon/assign_server.hpp"

#include <sys/socket.h>
#if defined(__linux__)
#include <linux/vm_sockets.h>
#endif

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "daemon/json_format.hpp"
#include "http/sockets.hpp"

namespace vnet::daemon {
namespace {

using dgram::Fd;
using dgram::SystemError;
using dgram::SystemResult;

bool is_vsock(const AssignEntry& entry) { return entry.path.starts_with(kVsockScheme); }

#if defined(__linux__)
SystemResult<Fd> listen_vsock(const std::string& path) {
  constexpr int kVsockBacklog = 64;
  sockaddr_vm address{};
  address.svm_family = AF_VSOCK;
  address.svm_cid = VMADDR_CID_ANY;
  address.svm_port = static_cast<unsigned>(std::stoul(path.substr(kVsockScheme.size())));
  Fd fd{::socket(AF_VSOCK, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
  if (!fd || ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(fd.get(), kVsockBacklog) != 0) {
    return fail(SystemError{"listen " + path, errno});
  }
  return fd;
}

std::optional<std::uint32_t> cid_of(const Fd& fd) {
  sockaddr_vm peer{};
  socklen_t size = sizeof peer;
  if (::getpeername(fd.get(), reinterpret_cast<sockaddr*>(&peer), &size) != 0) return std::nullopt;
  return peer.svm_family == AF_VSOCK ? std::optional{peer.svm_cid} : std::nullopt;
}
#else
SystemResult<Fd> listen_vsock(const std::string& path) { return fail(SystemError{"listen " + path, EAFNOSUPPORT}); }
std::optional<std::uint32_t> cid_of(const Fd&) { return std::nullopt; }
#endif

}  // namespace

/// One connection. That it is over is told by return values: the door destroys it.
class AssignServer::Call final : public dgram::Watched {
 public:
  Call(Parts& parts, const AssignEntry& entry, Fd fd, std::function<void(Call&, bool over)> served)
      : parts_(parts),
        asker_{entry, is_vsock(entry) ? cid_of(fd) : std::nullopt},
        fd_(std::move(fd)),
        served_(std::move(served)),
        stays_(entry.serial),
        last_(parts_.clock() + kMaxTime),
        deadline_(stays_ ? kNever : parts_.clock() + kPatience) {}
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;
  ~Call() override { parts_.poller.forget(fd_.get()); }

  /// False: it may not ask, or is over already.
  [[nodiscard]] bool begin() {
    watch();
    const bool known = asker_.entry.nic || asker_.cid;
    if (known && !parts_.assignments.knows(asker_)) return false;
    if (stays_ || !known) return true;
    about_ = parts_.assignments.only(asker_);
    return !about_ || (answer() && linger());
  }

  void on_ready(bool readable, bool writable) override {
    const bool over = (writable && !flush()) || (readable && out_.empty() && !read());
    const auto served = served_;  // this may be no more when it returns
    served(*this, over);
  }

  [[nodiscard]] Instant deadline() const noexcept { return deadline_; }
  /// False: it is over.
  [[nodiscard]] bool expire(Instant now) {
    if (now < deadline_) return true;
    if (!said_.empty() || !out_.empty()) return false;
    about_ = parts_.assignments.only(asker_);
    return answer() && linger();
  }

  /// False: it is over.
  [[nodiscard]] bool refresh() {
    if (!stays_ || said_.empty() || !out_.empty()) return true;
    if (about_ && !parts_.assignments.may_ask(asker_, *about_)) return false;
    std::string line = parts_.assignments.answer(about_);
    return line == said_ || say(std::move(line));
  }

 private:
  void watch() { parts_.poller.watch(fd_.get(), out_.empty(), !out_.empty(), *this); }

  [[nodiscard]] bool read() {
    std::array<char, AssignLines::kMaxLine> bytes;
    const http::Transfer got = http::receive(fd_, bytes);
    if (got.kind == http::Transfer::Kind::blocked) return true;
    std::vector<std::string> lines;
    if (got.kind != http::Transfer::Kind::moved || !lines_.take({bytes.data(), got.count}, lines)) return false;
    // Of several that came together the last counts: their answers would be the same.
    for (std::size_t i = 0; i + 1 < lines.size(); ++i) {
      if (!hear(lines[i], false)) return false;
    }
    return lines.empty() || hear(lines.back(), true);
  }

  [[nodiscard]] bool hear(const std::string& line, bool last) {
    const auto request = parse_assign_request(line);
    const bool may = request && (!request->mac || parts_.assignments.may_ask(asker_, *request->mac));
    if (!may) return asker_.entry.serial;  // a port has no other end than the guest's: it may do better
    const bool stays_from_now = request->stay && !stays_;
    stays_ = stays_ || request->stay;
    if (!last) return true;
    about_ = request->mac ? request->mac : parts_.assignments.only(asker_);
    if (stays_) deadline_ = kNever;
    std::string now = parts_.assignments.answer(about_);
    // It was told before it could say that it stays.
    if (stays_from_now && now == said_) return true;
    return say(std::move(now)) && (stays_ || linger());
  }

  [[nodiscard]] bool answer() { return say(parts_.assignments.answer(about_)); }
  [[nodiscard]] bool linger() {
    deadline_ = out_.empty() ? std::min(last_, parts_.clock() + kLinger) : last_;
    return true;
  }

  [[nodiscard]] bool say(std::string line) {
    parts_.commit();
    said_ = line;
    out_ = std::move(line);
    return flush();
  }

  [[nodiscard]] bool flush() {
    while (!out_.empty()) {
      const http::Transfer sent = http::send(fd_, out_);
      if (sent.kind == http::Transfer::Kind::blocked) break;
      if (sent.kind != http::Transfer::Kind::moved) return false;
      out_.erase(0, sent.count);
    }
    watch();
    return true;
  }

  Parts& parts_;
  Asker asker_;
  Fd fd_;
  std::function<void(Call&, bool over)> served_;
  AssignLines lines_;
  std::optional<MacAddress> about_;
  std::string said_;  ///< the last answer
  std::string out_;   ///< what of it has not left
  bool stays_;
  Instant last_;  ///< when it ends at the latest, unless it stays
  Instant deadline_;
};

class AssignServer::Door final : public dgram::Watched {
 public:
  Door(Parts& parts, AssignEntry its_entry, Fd fd, dgram::SocketFile file)
      : entry(std::move(its_entry)), parts_(parts), fd_(std::move(fd)), file_(std::move(file)) {
    parts_.poller.watch(fd_.get(), true, false, *this);
  }
  Door(const Door&) = delete;
  Door& operator=(const Door&) = delete;
  ~Door() override { parts_.poller.forget(fd_.get()); }

  void on_ready(bool, bool) override {
    // One at a time: where no descriptor is left, others go on.
    if (Fd fd = http::accept_from(fd_)) {
      const bool welcome = calls.size() < kMaxConnections && (is_vsock(entry) || http::is_same_user(fd));
      if (welcome) {
        calls.push_back(std::make_unique<Call>(parts_, entry, std::move(fd), [this](Call& call, bool over) {
          if (over) std::erase_if(calls, [&](const auto& one) { return one.get() == &call; });
          parts_.after();
        }));
        if (!calls.back()->begin()) calls.pop_back();
      }
    }
    parts_.after();
  }

  const AssignEntry entry;
  std::list<std::unique_ptr<Call>> calls;

 private:
  Parts& parts_;
  Fd fd_;
  dgram::SocketFile file_;
};

AssignServer::AssignServer(Parts parts) : parts_(std::move(parts)) {}
AssignServer::~AssignServer() = default;

std::vector<AssignServer::Problem> AssignServer::serve(const std::vector<AssignEntry>& entries, const Claim& claim) {
  std::vector<Problem> problems;
  doors_.remove_if([&](const auto& door) { return std::ranges::find(entries, door->entry) == entries.end(); });
  for (const AssignEntry& entry : entries) {
    if (std::ranges::any_of(doors_, [&](const auto& door) { return door->entry == entry; })) continue;
    Fd fd = claim ? claim(entry.path) : Fd{};
    if (fd) {
      doors_.push_back(std::make_unique<Door>(parts_, entry, std::move(fd), dgram::SocketFile::of_another(entry.path)));
      continue;
    }
    auto opened = is_vsock(entry) ? listen_vsock(entry.path) : http::listen_unix(entry.path);
    if (!opened) {
      problems.push_back({"assignment socket " + entry.path + ": " + opened.error().to_string(), !is_vsock(entry)});
      continue;
    }
    auto file = is_vsock(entry) ? dgram::SocketFile{} : dgram::SocketFile{entry.path};
    doors_.push_back(std::make_unique<Door>(parts_, entry, std::move(*opened), std::move(file)));
  }
  return problems;
}

void AssignServer::close() { doors_.clear(); }

void AssignServer::refresh() {
  for (const auto& door : doors_) {
    std::erase_if(door->calls, [](const auto& call) { return !call->refresh(); });
  }
}

Instant AssignServer::next_deadline() const {
  Instant next = parts_.assignments.next_deadline();
  for (const auto& door : doors_) {
    for (const auto& call : door->calls) next = std::min(next, call->deadline());
  }
  return next;
}

void AssignServer::expire(Instant now) {
  if (now < next_deadline()) return;
  parts_.assignments.expire(now);
  for (const auto& door : doors_) {
    std::erase_if(door->calls, [now](const auto& call) { return !call->expire(now); });
  }
  parts_.after();
}

}  // namespace vnet::daemon
