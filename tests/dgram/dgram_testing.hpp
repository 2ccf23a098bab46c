// What the dgram tests need around the sockets: a temporary folder, a poller made of poll(2), a switchboard that writes
// down what it is told, and guests' sockets. Time stands still unless a test moves it.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "dgram/client.hpp"
#include "dgram/socket.hpp"

namespace vnet::dgram::test {

using namespace std::chrono_literals;

class TempFolder {
 public:
  TempFolder() {
    std::string name = "/tmp/vnet-dgram-XXXXXX";
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error{"mkdtemp"};
    path_ = name;
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  ~TempFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  [[nodiscard]] std::string operator/(std::string_view name) const { return path_ + "/" + std::string{name}; }

 private:
  std::string path_;
};

/// Serves whatever is ready, until nothing is.
class PollLoop final : public Poller {
 public:
  void watch(int fd, bool readable, bool writable, Watched& watched) override {
    watches_[fd] = {static_cast<short>((readable ? POLLIN : 0) | (writable ? POLLOUT : 0)), &watched};
  }
  void forget(int fd) override { watches_.erase(fd); }

  /// Turns until a whole turn finds nothing ready; a test that would spin fails instead.
  void settle() {
    for (int turn = 0; turn < 10'000; ++turn) {
      if (!turn_once()) return;
    }
    FAIL() << "a descriptor stays ready and nobody does anything about it";
  }
  bool turn_once() {
    std::vector<pollfd> fds;
    for (const auto& [fd, watch] : watches_) fds.push_back({fd, watch.events, 0});
    if (::poll(fds.data(), fds.size(), 0) <= 0) return false;
    for (const pollfd& ready : fds) {
      const auto watch = watches_.find(ready.fd);
      if (ready.revents == 0 || watch == watches_.end()) continue;
      const auto events =
          static_cast<short>(ready.revents & (POLLERR | POLLHUP) ? watch->second.events : ready.revents);
      watch->second.watched->on_ready((events & POLLIN) != 0, (events & POLLOUT) != 0);
    }
    return true;
  }
  [[nodiscard]] std::size_t size() const { return watches_.size(); }

 private:
  struct Watch {
    short events;
    Watched* watched;
  };
  std::map<int, Watch> watches_;
};

/// Remembers everything as text.
class FakeSwitch final : public Switchboard {
 public:
  void on_frames(Client& client, std::span<const ByteView> frames) override {
    if (client.tag == Client::kUntagged) {
      client.tag = static_cast<std::uint32_t>(clients.size());
      clients.push_back(&client);
    }
    for (const ByteView frame : frames) {
      EXPECT_FALSE(frame.empty());
      heard.push_back(std::to_string(client.tag) + ":" + std::string{as_text(frame)});
    }
    if (echo) client.send(frames, *this);
  }
  void on_refused(Client* client, ByteView, DropReason reason) override {
    refused.add(reason);
    refused_client = client;
  }
  void end_batch() override {
    ++batches;
    for (Listener* const listener : std::exchange(troubled_, {})) listener->settle();
  }
  void on_trouble(Listener& listener) override { troubled_.push_back(&listener); }
  void on_gone(Client& client, std::string_view) override {
    gone.push_back(client.tag);
    client.tag = Client::kUntagged;
  }
  void on_notice(std::string_view text) override { notices.emplace_back(text); }
  void delivered(std::uint32_t, ByteView, std::optional<DropReason> dropped) override {
    if (dropped) {
      dropped_out.add(*dropped);
    } else {
      ++sent;
    }
  }
  [[nodiscard]] Instant now() const override { return time; }

  /// Sends texts to the client with the given number, as in the middle of a batch.
  void tell(std::size_t number, const std::vector<std::string>& texts) {
    std::vector<ByteView> frames;
    for (const std::string& text : texts) frames.push_back(as_bytes(text));
    clients.at(number)->send(frames, *this);
  }
  [[nodiscard]] std::vector<std::string> take_heard() { return std::exchange(heard, {}); }

  Instant time{1000s};
  bool echo = false;
  std::vector<Client*> clients;  ///< in the order of their first frames
  std::vector<std::string> heard;
  std::vector<std::uint32_t> gone;
  std::vector<std::string> notices;
  DropCounters refused;
  Client* refused_client = nullptr;
  DropCounters dropped_out;
  std::uint64_t sent = 0;
  int batches = 0;

 private:
  std::vector<Listener*> troubled_;
};

/// A guest's datagram socket.
class Guest {
 public:
  /// Bound to `path`, or to none when that is empty.
  explicit Guest(const std::string& path = {}) : path_(path), fd_(make_socket(SOCK_DGRAM).value()) {
    if (path.empty()) return;
    const auto address = UnixAddress::from_path(path).value();
    EXPECT_EQ(::bind(fd_.get(), address.get(), address.size), 0) << path;
  }
  explicit Guest(Fd fd) : fd_(std::move(fd)) {}

  /// 0, or errno.
  int send_to(const std::string& path, std::string_view text) const {
    const auto to = UnixAddress::from_path(path).value();
    return ::sendto(fd_.get(), text.data(), text.size(), MSG_NOSIGNAL, to.get(), to.size) < 0 ? errno : 0;
  }
  int send(std::string_view text) const {
    return ::send(fd_.get(), text.data(), text.size(), MSG_NOSIGNAL) < 0 ? errno : 0;
  }
  int connect(const std::string& path) const { return connect_to(fd_, UnixAddress::from_path(path).value()); }
  void disconnect() const { dgram::disconnect(fd_); }
  /// Everything that has arrived.
  [[nodiscard]] std::vector<std::string> receive() const {
    std::vector<std::string> result;
    std::vector<char> buffer(200'000);
    for (ssize_t size = 0; (size = ::recv(fd_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT)) >= 0;) {
      EXPECT_GT(size, 0) << "an empty datagram ends a QEMU NIC's reception for good";
      result.emplace_back(buffer.data(), static_cast<std::size_t>(size));
    }
    return result;
  }
  void close() { fd_.close(); }
  /// As a program that ends properly does.
  void quit() {
    ::unlink(path_.c_str());
    close();
  }
  [[nodiscard]] int fd() const { return fd_.get(); }

 private:
  std::string path_;
  Fd fd_;
};

inline std::vector<std::string> numbered(std::string_view word, int count) {
  std::vector<std::string> result;
  for (int i = 0; i < count; ++i) result.push_back(std::string{word} + std::to_string(i));
  return result;
}

}  // namespace vnet::dgram::test
