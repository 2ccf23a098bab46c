// AgentPort: the host's end of the serial port `vnet.agent`, at which vnet-agent listens in the guest.
//
// Lines of JSON both ways, as agent/protocol.hpp has them. The host tells the guest its assignment, and has commands
// run whose outcome comes back line by line under their id. A serial port has no connection, so whether somebody is
// there is known by what is heard: the agent asks for its assignment when it starts, and answers a ping. What is
// written while nobody reads waits in the socket, so of assignments only the newest is kept, and nothing is sent twice.
//
// A snapshot catches the line in the middle of whatever it was at. So we begin with a line's end, pass over what is no
// line of ours, and our ids begin where those of an earlier supervisor, whose commands the guest may still be at, do
// not reach.
//
// The guest is hostile. Limits: kMaxAgentLine bytes a line, a longer one is passed over; kMaxAgentCommands at a time;
// kMaxAgentUnsent bytes that the guest does not take.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "adapter/json.hpp"
#include "dgram/client.hpp"
#include "dgram/socket.hpp"
#include "packet/result.hpp"

namespace vnet::adapter {

/// The port's name in the guest: /dev/virtio-ports/vnet.agent.
inline constexpr const char* kAgentPortName = "vnet.agent";
inline constexpr std::size_t kMaxAgentLine = 128 * 1024;
inline constexpr std::size_t kMaxAgentCommands = 16;
inline constexpr std::size_t kMaxAgentUnsent = 1024 * 1024;

/// A line of the agent's.
struct AgentLine {
  enum class Kind { asks, out, err, exit, signal, error };
  Kind kind = Kind::asks;
  std::int64_t id = 0;     ///< of the command; asks: none
  std::string text{};      ///< out, err: base64; error: why
  std::int64_t value = 0;  ///< exit, signal

  /// Nothing more comes about its id.
  [[nodiscard]] bool last() const noexcept { return kind >= Kind::exit; }
  bool operator==(const AgentLine&) const = default;
};

/// The stream cut into the agent's lines; what is none is passed over.
class AgentReader {
 public:
  [[nodiscard]] std::vector<AgentLine> feed(std::string_view bytes);

 private:
  std::string line_;
  bool skipping_ = false;  ///< the rest of a line that is too long
};

class AgentPort final : public dgram::Watched {
 public:
  using Hear = std::function<void(const AgentLine&)>;

  /// `connected` is a stream socket, and made non-blocking. `first_id`: of the ids that are ours.
  AgentPort(dgram::Fd connected, dgram::Poller& poller, std::int64_t first_id);
  ~AgentPort() override;

  /// An agent has been heard since it was last known to have gone.
  [[nodiscard]] bool heard() const noexcept { return heard_; }
  /// Has whoever is there answer.
  void ping();
  /// The assignment that holds now; the same again is not sent again, unless the agent asks.
  void assign(std::string line);

  /// Has the agent do `command`, an object without `id`, and returns the id; `hear` gets each line about it. The error
  /// is a sentence.
  [[nodiscard]] Result<std::int64_t, std::string> ask(Json command, Hear hear);
  /// Nobody wants to hear about it any more: what runs is ended.
  void drop(std::int64_t id);
  /// The agent has gone, or the guest has begun anew: all that is open has failed.
  void lost(const std::string& why);
  /// Whether more is read now: a command's output waits in the guest while nobody takes it here.
  void read_on(bool reads);

  void on_ready(bool readable, bool writable) override;

 private:
  void take(const AgentLine& line);
  void flush();
  void watch();

  dgram::Fd fd_;
  dgram::Poller& poller_;
  AgentReader reader_;
  bool heard_ = false;
  bool reads_ = true;
  std::int64_t next_id_;
  std::map<std::int64_t, Hear> commands_;
  std::string assignment_;  ///< that holds
  bool to_tell_ = false;    ///< and has not been sent
  std::string unsent_;
};

}  // namespace vnet::adapter
