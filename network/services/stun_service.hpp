// A STUN server that a client can find out with what its NATs do (RFC 8489, RFC 5780; RFC 3489 for old clients).
//
// It has one or two addresses of each family, A1 and A2, and two ports at each, and answers from where the request
// asks: from the address that the request came to or the other, from the port that it came to or the other. So a client
// behind a NAT learns whether its mapping depends on whom it talks to, and who gets in through it.
//
//     two addresses    OTHER-ADDRESS in every answer, CHANGE-REQUEST is done
//     one address      no OTHER-ADDRESS, CHANGE-REQUEST for a change is an unknown attribute (420), as RFC 5780, 6.1
//     says
//
// A client without the magic cookie gets an answer of RFC 3489: MAPPED-ADDRESS, SOURCE-ADDRESS, CHANGED-ADDRESS and
// nothing that it would have to know to read the rest.
//
// Not supported: authentication; RESPONSE-ADDRESS of RFC 3489, which lets a client aim answers at others and which
// RFC 5389 took back (420); ALTERNATE-SERVER.
//
// It remembers nothing: a request repeated is a request answered again.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "network/services/datagram_service.hpp"
#include "network/services/stun_message.hpp"

namespace vnet::network {

class StunService final : public DatagramService {
 public:
  static constexpr std::uint16_t kPort = 3478;
  static constexpr std::uint16_t kOtherPort = 3479;
  /// PADDING in answers, bytes: with headers more than an Ethernet, so that the answer comes in fragments, which is
  /// what a client asks for it for (RFC 5780, 7.6).
  static constexpr std::size_t kPaddingSize = 1500;
  /// No answer is longer, bytes.
  static constexpr std::size_t kMaxAnswer = 1792;
  /// Unknown attributes that a 420 answer names; a client that has sent more learns of these first.
  static constexpr std::size_t kMaxUnknown = 16;

  /// Of each family the first address is A1 and the second A2; a third is answered at like A1 of a server of one.
  explicit StunService(std::vector<IpAddress> addresses) : addresses_(std::move(addresses)) {}

  [[nodiscard]] bool handle(const ServiceDatagram& datagram, ServiceOutput& output, Instant now) override;

  /// The answer to a message that came over a connection; empty: none is due. `out` has kMaxAnswer bytes. An answer can
  /// come by no other way than the request, so what asks for one is unknown here.
  [[nodiscard]] ByteView answer_stream(ByteView bytes, const nat::Endpoint& local, const nat::Endpoint& remote,
                                       ByteSpan out) const;

 private:
  enum class Transport : std::uint8_t { datagram, stream };
  /// What a request asks of the way of its answer.
  struct Wishes {
    stun::ChangeRequest change{};
    std::optional<std::uint16_t> response_port{};
    bool padding = false;
  };
  /// An error answer that is due, if `code` is not 0.
  struct Refusal {
    unsigned code = 0;
    std::vector<stun::AttributeType> unknown{};
  };
  struct Answer {
    nat::Endpoint from;
    nat::Endpoint to;
    ByteView bytes;  ///< empty: none
  };

  [[nodiscard]] Answer answer(ByteView bytes, const nat::Endpoint& local, const nat::Endpoint& remote,
                              Transport transport, ByteSpan out) const;
  [[nodiscard]] static Refusal read(const stun::Message& request, bool has_other, Transport transport, Wishes& wishes);
  void write_success(stun::Writer& writer, const stun::Message& request, const nat::Endpoint& local,
                     const nat::Endpoint& remote, const nat::Endpoint& from) const;
  /// The other address of the same family.
  [[nodiscard]] std::optional<IpAddress> other(const IpAddress& address) const;

  std::vector<IpAddress> addresses_;
};

}  // namespace vnet::network
