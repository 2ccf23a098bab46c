// Feeds a reply to ReplyParser in pieces that the input cuts, and compares with a parser that gets it at once.
//
// Input: the first byte's lowest bit says whether the reply is one to HEAD, the others how many bytes of cutting
// instructions follow; the rest is the reply. Each instruction is the length of one piece, used round and round.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "http/reply_parser.hpp"
#include "packet/bytes.hpp"

namespace {

using namespace vnet;
using namespace vnet::http;

void require(bool condition) {
  if (!condition) std::abort();
}

struct Outcome {
  int status = 0;
  Fields fields;
  std::string body;
  bool complete = false;
  bool failed = false;
  std::size_t left = 0;
};

Outcome parse(bool to_head, ByteView cuts, std::string_view stream) {
  Outcome outcome;
  ReplyParser parser{to_head};
  for (std::size_t i = 0; !stream.empty() && !parser.complete(); ++i) {
    const std::size_t wanted = cuts.empty() ? stream.size() : std::size_t{cuts[i % cuts.size()]} + 1;
    const std::string piece{stream.substr(0, wanted)};
    const auto used = parser.feed(piece, outcome.body);
    if (!used) {
      require(!used.error().empty());
      outcome.failed = true;
      return outcome;
    }
    require(*used <= piece.size());
    stream.remove_prefix(*used);
  }
  outcome.complete = parser.complete();
  outcome.left = stream.size();
  if (parser.has_head()) {
    outcome.status = parser.head().status;
    outcome.fields = parser.head().fields;
    require(outcome.status >= 100 && outcome.status < 600);
  }
  return outcome;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const ByteView input{data, size};
  const bool to_head = (input[0] & 1U) != 0;
  const std::size_t cuts = std::min<std::size_t>(input[0] >> 1U, size - 1);
  const std::string_view stream = as_text(input.subspan(1 + cuts));
  const Outcome whole = parse(to_head, {}, stream);
  const Outcome cut = parse(to_head, input.subspan(1, cuts), stream);
  require(whole.failed == cut.failed);
  if (whole.failed) return 0;
  require(whole.status == cut.status && whole.fields == cut.fields && whole.body == cut.body);
  require(whole.complete == cut.complete && whole.left == cut.left);
  return 0;
}
