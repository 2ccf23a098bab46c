// Feeds an event stream to EventStreamDecoder in pieces that the input cuts, compares with a decoder that gets it at
// once, and writes and reads again what came out.
//
// Input: the first byte says how many bytes of cutting instructions follow; the rest is the stream. Each instruction is
// the length of one piece, used round and round.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "http/event_stream.hpp"
#include "packet/bytes.hpp"

namespace {

using namespace vnet;
using namespace vnet::http;

void require(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const ByteView input{data, size};
  const ByteView cuts = input.subspan(1, std::min<std::size_t>(input[0], size - 1));
  const std::string_view stream = as_text(input.subspan(1 + cuts.size()));

  const std::vector<Event> whole = EventStreamDecoder{}.feed(stream);
  EventStreamDecoder decoder;
  std::vector<Event> cut;
  std::string_view rest = stream;
  for (std::size_t i = 0; !rest.empty(); ++i) {
    const std::size_t wanted = cuts.empty() ? rest.size() : std::size_t{cuts[i % cuts.size()]} + 1;
    const std::string piece{rest.substr(0, wanted)};
    for (Event& event : decoder.feed(piece)) cut.push_back(std::move(event));
    rest.remove_prefix(piece.size());
  }
  require(whole == cut);

  std::string text;
  for (const Event& event : whole) append_event(text, event.id, event.event, event.data);
  std::vector<Event> again = EventStreamDecoder{}.feed(text);
  require(again.size() == whole.size());
  for (std::size_t i = 0; i < whole.size(); ++i) {
    // An empty id is not written, so the one before it goes on.
    if (whole[i].id.empty()) again[i].id.clear();
    require(again[i] == whole[i]);
  }
  return 0;
}
