// Any bytes to a STUN service, as a datagram and over a connection. What must hold: one answer at most, which is a
// message itself with the request's id, is not longer than the limit, comes from an address of the service, goes to the
// address that asked, and is answered by nobody.
#include <array>
#include <cstdlib>

#include "network/services/stun_service.hpp"

namespace {

using namespace vnet;
using namespace vnet::network;

void require(bool condition) {
  if (!condition) std::abort();
}

const nat::Endpoint kClient{Ipv4Address{203, 0, 113, 7}, 40'000};
const nat::Endpoint kClient6{*Ipv6Address::parse("2001:db8::7"), 40'000};

class Judge final : public ServiceOutput {
 public:
  Judge(const stun::Message* request, const ServiceDatagram& asked) : request_(request), asked_(asked) {}

  void send(const ServiceDatagram& answer) override {
    require(request_ != nullptr && ++count_ == 1);
    require(answer.payload.size() <= StunService::kMaxAnswer);
    const auto message = stun::Message::parse(answer.payload);
    require(message.has_value() && message->id() == request_->id());
    require(message->message_class() == stun::Class::success || message->message_class() == stun::Class::error);
    require(message->has_fingerprint() == request_->has_fingerprint());
    require(answer.to.address == asked_.from.address && answer.to.port != 0);
    require(answer.from.address.index() == asked_.to.address.index());
    require(answer.from.port == StunService::kPort || answer.from.port == StunService::kOtherPort);
    if (message->message_class() == stun::Class::error) require(answer.to.port == asked_.from.port);
    if (const auto value = message->find(stun::AttributeType::xor_mapped_address)) {
      require(stun::read_xor_address(*value, message->id()) == asked_.from);
    }
  }

 private:
  const stun::Message* request_;
  const ServiceDatagram& asked_;
  int count_ = 0;
};

void check(StunService& service, const nat::Endpoint& from, const nat::Endpoint& to, ByteView bytes) {
  const auto request = stun::Message::parse(bytes);
  const ServiceDatagram asked{from, to, bytes};
  Judge judge{request ? &*request : nullptr, asked};
  require(service.handle(asked, judge, Instant{}));
  std::array<std::uint8_t, StunService::kMaxAnswer> room;
  const ByteView answer = service.answer_stream(bytes, to, from, room);
  if (answer.empty()) return;
  require(request.has_value() && stun::framed_size(answer) == answer.size());
  std::array<std::uint8_t, StunService::kMaxAnswer> more;
  require(service.answer_stream(answer, to, from, more).empty());
}

/// What the values say is checked where it is read.
void read_all(ByteView bytes) {
  const auto message = stun::Message::parse(bytes);
  if (!message) return;
  stun::AttributeReader attributes = message->attributes();
  while (const auto attribute = attributes.next()) {
    (void)stun::read_address(attribute->value);
    (void)stun::read_xor_address(attribute->value, message->id());
    (void)stun::read_change_request(attribute->value);
    (void)stun::read_response_port(attribute->value);
  }
  require(attributes.ok());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView bytes{data, size};
  const IpAddress first = Ipv4Address{3, 3, 3, 3};
  const IpAddress first6 = *Ipv6Address::parse("2052::3");
  static StunService two{{first, Ipv4Address{3, 3, 3, 4}, first6, *Ipv6Address::parse("2052::4")}};
  static StunService one{{first, first6}};
  read_all(bytes);
  for (StunService* service : {&two, &one}) {
    check(*service, kClient, {first, StunService::kPort}, bytes);
    check(*service, kClient6, {first6, StunService::kOtherPort}, bytes);
  }
  return 0;
}
