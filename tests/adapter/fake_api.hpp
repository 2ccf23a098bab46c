// A control API of a test's own, at a path in a folder of its own: an http::Server that a thread turns.
#pragma once

#include <sys/eventfd.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>

#include "adapter/poll_loop.hpp"
#include "http/server.hpp"

namespace vnet::adapter {

class FakeApi final : private dgram::Watched {
 public:
  explicit FakeApi(http::Handler handler) : FakeApi(make_folder() + "/control.sock", std::move(handler)) {}
  FakeApi(std::string path, http::Handler handler) : path_(std::move(path)), stop_(::eventfd(0, EFD_CLOEXEC)) {
    auto server = http::Server::listen(path_, {}, loop_, &PollLoop::now, std::move(handler));
    if (!server) throw std::runtime_error(server.error().to_string());
    server_ = std::move(*server);
    loop_.watch(stop_.get(), true, false, *this);
    thread_ = std::thread{[this] { run(); }};
  }
  FakeApi(const FakeApi&) = delete;
  FakeApi& operator=(const FakeApi&) = delete;
  ~FakeApi() override {
    const std::uint64_t one = 1;
    if (::write(stop_.get(), &one, sizeof one) != sizeof one) std::abort();
    thread_.join();
    loop_.forget(stop_.get());
  }

  [[nodiscard]] const std::string& path() const { return path_; }

  static std::string make_folder() {
    std::string name = std::filesystem::temp_directory_path() / "vnet-cli-XXXXXX";
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp");
    return name;
  }

 private:
  void run() {
    while (!stopped_) {
      if (!loop_.turn(server_->next_deadline())) return;
      server_->expire(PollLoop::now());
    }
  }
  void on_ready(bool /*readable*/, bool /*writable*/) override { stopped_ = true; }

  std::string path_;
  dgram::Fd stop_;
  PollLoop loop_;
  std::unique_ptr<http::Server> server_;
  bool stopped_ = false;
  std::thread thread_;
};

/// An answer with a JSON body.
inline http::Response answer(std::string body, int status = 200) {
  http::Response response;
  response.status = status;
  response.body = std::move(body);
  return response;
}

}  // namespace vnet::adapter
