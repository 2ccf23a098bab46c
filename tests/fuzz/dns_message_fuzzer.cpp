// Any bytes as a message: records lie inside, and an answer taken out of it can be written again and read back.
#include <cstdlib>
#include <vector>

#include "dns/answer.hpp"
#include "dns/message.hpp"
#include "dns/reply.hpp"

namespace {

using namespace vnet::dns;

void require(bool condition) {
  if (!condition) std::abort();
}

std::size_t count_records(const Message& message) {
  std::size_t count = 0;
  RecordReader records = message.records();
  while (const auto record = records.next()) {
    require(record->rdata_offset + record->rdata.size() <= message.bytes().size());
    ++count;
  }
  require(records.ok());
  return count;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto message = Message::parse({data, size});
  if (!message) return 0;
  const std::size_t records = count_records(*message);
  auto answer = Answer::from_message(*message);
  if (!answer) return 0;
  (void)answer->lifetime_s(message->question().type);
  answer->cap_ttl(60);

  Asked asked{.question = message->question(), .edns = message->opt().has_value()};
  for (const std::size_t limit : {kMinUdpPayload, kMaxMessageSize}) {
    asked.limit = limit;
    std::vector<std::uint8_t> out(kMaxMessageSize);
    const Part part{&*answer, 1};
    const auto reply = write_reply(asked, answer->rcode, {&part, 1}, kDefaultUdpPayload, out);
    require(reply.size() <= limit);
    const auto again = Message::parse(reply);
    require(again.has_value() && again->trailing() == 0);
    require(again->question().name.same_case(message->question().name));
    require(count_records(*again) <= records);
    require(Answer::from_message(*again).has_value());
  }
  return 0;
}
