// QMP, QEMU's control protocol: one JSON document per line, both ways, over a connected stream socket.
//
// QEMU greets, we negotiate, then every command carries an id and is answered in any order, between events. What is
// asked before the negotiation is over waits for it. Every question has a time limit, after which it is answered by us;
// a late answer is then dropped. When the connection ends, every open question is answered with the cause, once, and
// the owner is told.
//
// QEMU runs a guest that may have taken it over, so the stream is read as a hostile one.
// Not supported: out-of-band execution.
// Limits: kMaxQmpLine bytes a line and kMaxQmpDepth levels; beyond either, or on a line that is no message, the
// connection ends. kMaxQmpOpen questions at a time; kMaxQmpUnsent bytes that QEMU does not take.
#pragma once

#include <cstddef>
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
#include "packet/time.hpp"

namespace vnet::adapter {

inline constexpr std::size_t kMaxQmpLine = 1024 * 1024;
inline constexpr std::size_t kMaxQmpOpen = 256;
inline constexpr std::size_t kMaxQmpUnsent = 1024 * 1024;
/// For commands that QEMU answers from memory. Under emulation on a loaded machine seconds may pass.
inline constexpr Duration kQmpTimeout = std::chrono::seconds{20};

struct QmpMessage {
  enum class Kind { greeting, answer, failure, event };
  Kind kind = Kind::greeting;
  std::uint64_t id = 0;  ///< of answer and failure; 0: it carried none of ours
  std::string text;      ///< an event's name, or a failure's description
  Json data;             ///< what was returned, an event's data, or the greeting's version

  bool operator==(const QmpMessage&) const = default;
};

/// The stream cut into messages. After an error it stays broken.
class QmpReader {
 public:
  /// The messages that these bytes complete, or what is wrong with the stream.
  [[nodiscard]] Result<std::vector<QmpMessage>, std::string> feed(std::string_view bytes);

 private:
  std::string line_;
  std::string broken_;
};

/// What QEMU said, to whoever asked. An error is a sentence: QEMU's own, or ours.
using QmpAnswer = Result<Json, std::string>;

class QmpClient final : public dgram::Watched {
 public:
  using Done = std::function<void(const QmpAnswer&)>;
  using Clock = std::function<Instant()>;

  class Owner {
   public:
    virtual ~Owner() = default;
    virtual void on_qmp_event(const std::string& name, const Json& data) = 0;
    /// The connection has ended; nothing more will come. Not to destroy the client in here.
    virtual void on_qmp_gone(const std::string& cause) = 0;
  };

  /// `connected` is a stream socket, and made non-blocking.
  QmpClient(dgram::Fd connected, dgram::Poller& poller, Clock clock, Owner& owner);
  ~QmpClient() override;

  /// `done` is called once, later, whatever happens, but not after the client's end.
  void ask(const std::string& command, Json arguments, Done done, Duration limit = kQmpTimeout);
  /// Gives QEMU a descriptor by `getfd`, under a name that later commands use.
  void give(dgram::Fd fd, const std::string& name, Done done);

  void on_ready(bool readable, bool writable) override;
  [[nodiscard]] Instant next_deadline() const;
  void expire(Instant now);
  [[nodiscard]] bool gone() const noexcept { return !fd_; }

 private:
  struct Open {
    std::string command;
    Done done;
    Instant until;
  };

  void read();
  void take(const QmpMessage& message);
  void answer(std::uint64_t id, const QmpAnswer& what);
  std::uint64_t put(std::string& out, const std::string& command, Json arguments, Done done, Duration limit);
  void flush();
  void end(const std::string& cause);

  dgram::Fd fd_;
  dgram::Poller& poller_;
  Clock clock_;
  Owner& owner_;
  QmpReader reader_;
  bool greeted_ = false;
  bool ready_ = false;   ///< the negotiation is over
  std::string waiting_;  ///< asked before that
  std::string unsent_;
  dgram::Fd to_give_;                   ///< goes with the next bytes; QEMU keeps it until `getfd` asks for it
  std::string cause_;                   ///< why the connection has ended
  std::map<std::uint64_t, Open> open_;  ///< by id
  std::uint64_t next_id_ = 1;
};

}  // namespace vnet::adapter
