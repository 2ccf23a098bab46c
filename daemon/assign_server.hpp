// AssignServer: the sockets at which guests ask for their assignment; see daemon/assign_protocol.hpp for the words and
// daemon/assignments.hpp for who is told what.
//
//   who asks is known (an entry with `nic`, one NIC with the CID)   the answer is written at once
//   a shared socket       the client may say in kPatience about which NIC it asks; else it is about the only one there
//                         is, and where there are several the answer is `wait`: to guess would tell a stranger's
//                         address
//   an entry with serial  nothing is written until a line comes, each line has an answer, and the connection stays
//
// After its answer a connection is closed, kLinger later, unless its client has asked to stay; one that stays is told
// every other answer without asking, in the turn in which it becomes another, so a guest need not poll. Who may not ask
// is told nothing.
//
// Nothing is handed to a successor: clients come again by themselves.
//
// Limits: kMaxConnections for each entry, a further one is closed at once; lines as AssignLines has them; kMaxTime for
// all that does not stay. A client that does not read what it is told is read from no more until it does.
#pragma once

#include <functional>
#include <list>
#include <memory>
#include <string>
#include <vector>

#include "daemon/assignments.hpp"
#include "dgram/client.hpp"
#include "dgram/socket.hpp"

namespace vnet::daemon {

class AssignServer {
 public:
  static constexpr std::size_t kMaxConnections = 64;
  static constexpr Duration kPatience = std::chrono::milliseconds{100};
  static constexpr Duration kLinger = std::chrono::milliseconds{100};
  static constexpr Duration kMaxTime = std::chrono::seconds{2};

  struct Parts {
    dgram::Poller& poller;
    Assignments& assignments;
    std::function<Instant()> clock;
    std::function<void()> commit;  ///< stores the leases that were taken; before an answer leaves
    std::function<void()> after;   ///< events may have come
  };
  /// Why an entry is not served. What the machine lacks, as vsock, is not worth the whole switch.
  struct Problem {
    std::string text;
    bool fatal = true;
  };
  /// A listening socket that somebody has made for the path, or none.
  using Claim = std::function<dgram::Fd(const std::string& path)>;

  explicit AssignServer(Parts parts);
  ~AssignServer();
  AssignServer(const AssignServer&) = delete;
  AssignServer& operator=(const AssignServer&) = delete;

  /// Serves exactly these from now on; an entry that is as it was goes on with its connections.
  [[nodiscard]] std::vector<Problem> serve(const std::vector<AssignEntry>& entries, const Claim& claim = {});
  /// Closes all, socket files included.
  void close();

  /// Something has changed: tells those who stay.
  void refresh();
  [[nodiscard]] Instant next_deadline() const;
  void expire(Instant now);

 private:
  class Door;
  class Call;

  Parts parts_;
  std::list<std::unique_ptr<Door>> doors_;
};

}  // namespace vnet::daemon
