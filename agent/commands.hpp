// Commands: what the host has the agent run, and the files that it has copied; the words are in agent/protocol.hpp.
//
// Each command runs in a session of its own with an empty standard input. Its last line comes when it has ended and
// what it has said is sent; what it leaves running in the background is not waited for, and no more heard.
//
// Limits: kMaxCommands at once; no output is read while kMaxWaiting bytes wait for the host.
#pragma once

#include <poll.h>
#include <sys/types.h>

#include <functional>
#include <list>
#include <string>
#include <string_view>
#include <vector>

#include "agent/json.hpp"
#include "agent/protocol.hpp"

namespace vnet::agent {

class Commands {
 public:
  using Say = std::function<void(std::string_view line)>;

  explicit Commands(Say say) : say_(std::move(say)) {}
  Commands(const Commands&) = delete;
  Commands& operator=(const Commands&) = delete;
  ~Commands();

  /// False: the line is no command.
  bool hear(const Json& line);
  /// What is to be waited for, unless the host has not taken what it was sent.
  void add_to(std::vector<pollfd>& polled) const;
  void on_ready(int fd);
  /// A child may have ended.
  void reap();
  /// Ends all with SIGTERM; the host will not hear of it.
  void end_all();

 private:
  struct Running {
    std::int64_t id = 0;
    pid_t pid = 0;  ///< 0: a file that is copied
    int out = -1;
    int err = -1;
  };

  void exec(std::int64_t id, const Json& words);
  void put(std::int64_t id, const Json& line);
  void get(std::int64_t id, const std::string& path);
  /// Sends a piece; false: there is no more now, and the descriptor is closed where it has ended.
  [[nodiscard]] bool pass(const Running& running, int& fd, const char* stream);
  void finish(std::int64_t id, const char* how, std::int64_t value);
  void refuse(std::int64_t id, const std::string& why);

  Say say_;
  std::list<Running> running_;
};

}  // namespace vnet::agent
