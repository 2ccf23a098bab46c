// One client's connection to the server: RFC 9112 section 9, as a state machine that the poller turns.
//
//   reading -> answering -> reading ...            requests one after the other, pipelined ones too, in their order
//                        -> lingering -> gone      after the last answer (section 9.6)
//                        -> given away             with Response::hand_over
//
// One turn is one read of kReadBytes or one write of kWriteBytes, and at most one request or one piece of a stream, for
// frames share the loop. While an answer is being sent nothing is read: what the client sends on waits in the kernel.
//
// Descriptors belong to the request in which the read that brought them ended. A kernel ends a read behind the write
// that carried descriptors, so this is the request that they were sent with, unless one write holds several requests.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "dgram/client.hpp"
#include "dgram/socket.hpp"
#include "http/message.hpp"
#include "http/request_parser.hpp"
#include "http/response_writer.hpp"
#include "http/server_options.hpp"
#include "packet/time.hpp"

namespace vnet::http {

inline constexpr std::size_t kReadBytes = 16 * 1024;
inline constexpr std::size_t kWriteBytes = 64 * 1024;
/// After the last answer a client may finish what it was sending, which is thrown away, so that the answer is not lost
/// to a reset; for so long, and not a byte more than kMaxLingerBytes.
inline constexpr Duration kLingerTime = std::chrono::seconds{2};
inline constexpr std::size_t kMaxLingerBytes = 4 * 1024 * 1024;

/// What the connections of one server share. Outlives them.
struct ConnectionContext {
  ServerOptions options;
  dgram::Poller& poller;
  std::function<Instant()> clock;
  Handler handler;
  std::function<void(int fd)> ended;  ///< destroys the connection
  ServerCounters counters;
  std::vector<char> buffer;  ///< of kReadBytes; only used within a turn
};

class Connection final : public dgram::Watched {
 public:
  Connection(ConnectionContext& context, dgram::Fd fd);
  ~Connection() override;

  /// The last thing that it does may be to end, which destroys it.
  void on_ready(bool readable, bool writable) override;
  [[nodiscard]] Instant next_deadline() const;
  /// False: its time is up, and it is to be destroyed.
  [[nodiscard]] bool expire(Instant now);
  /// Asks a stream or an answer that waits again, in the next turn.
  void wake();
  /// Since when it has been between two requests with nothing to read; nothing where it is not.
  [[nodiscard]] std::optional<Instant> idle_since() const;

 private:
  enum class State : std::uint8_t { reading, answering, lingering };

  // These return false when the connection is over.
  [[nodiscard]] bool turn(bool readable);
  [[nodiscard]] bool read(Instant now);
  [[nodiscard]] bool advance(Instant now);
  [[nodiscard]] bool answer(Instant now, Response response, bool persistent);
  [[nodiscard]] bool refuse(Instant now, const Fault& fault);
  [[nodiscard]] bool write(Instant now);
  [[nodiscard]] bool after_answer(Instant now);
  [[nodiscard]] bool look_for_end();
  [[nodiscard]] bool discard();

  [[nodiscard]] bool end_of_head();
  [[nodiscard]] std::vector<dgram::Fd> take_fds();
  [[nodiscard]] bool is_authorized() const;
  void rewatch();

  ConnectionContext& context_;
  dgram::Fd fd_;
  State state_ = State::reading;
  RequestParser parser_;
  std::string inbox_;             ///< read, and not yet parsed
  std::uint64_t received_ = 0;    ///< bytes read so far
  std::optional<Instant> begun_;  ///< when the first byte of the request that is being read was there
  Instant since_;  ///< idle: of the last answer. Answering: of the last progress. Lingering: of its start
  struct Passed {
    std::uint64_t at = 0;  ///< received_ after the read that brought it
    dgram::Fd fd;
  };
  std::vector<Passed> passed_;
  std::optional<ResponseWriter> writer_;
  bool ended_ = false;         ///< the client has ended its direction
  bool look_ = true;           ///< answering: whether to be told of input, which is how the end shows
  std::size_t discarded_ = 0;  ///< bytes, while lingering
  bool watches_input_ = false;
  bool watches_output_ = false;
};

}  // namespace vnet::http
