// Feeds a length-framed stream to StreamDecoder in pieces that the input cuts, and compares what comes out with a
// decoder that keeps the whole stream and looks at it from the start.
//
// Input: the first byte says how many bytes of cutting instructions follow; the rest is the stream. Each instruction is
// the length of one piece, and they are used round and round. Every piece is an allocation of its own, so that a view
// into a piece that is gone is found.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "dgram/stream_decoder.hpp"

namespace {

using namespace vnet;
using Bytes = std::vector<std::uint8_t>;

void require(bool condition) {
  if (!condition) std::abort();
}

struct Decoded {
  std::vector<Bytes> frames;
  std::uint64_t empty = 0;
  bool broken = false;
};

Decoded decode_at_once(ByteView stream) {
  Decoded result;
  while (stream.size() >= 4) {
    const std::size_t length = load_be<std::uint32_t>(stream.data());
    if (length > kMaxFrameSize) {
      result.broken = true;
      break;
    }
    if (stream.size() - 4 < length) break;
    const ByteView frame = stream.subspan(4, length);
    if (length == 0) {
      ++result.empty;
    } else {
      result.frames.emplace_back(frame.begin(), frame.end());
    }
    stream = stream.subspan(4 + length);
  }
  return result;
}

Decoded decode_in_pieces(ByteView cuts, ByteView stream) {
  Decoded result;
  dgram::StreamDecoder decoder;
  for (std::size_t i = 0; !stream.empty() && !result.broken; ++i) {
    const std::size_t wanted = cuts.empty() ? stream.size() : std::size_t{cuts[i % cuts.size()]} + 1;
    const ByteView piece = stream.first(std::min(wanted, stream.size()));
    stream = stream.subspan(piece.size());
    const Bytes bytes(piece.begin(), piece.end());
    std::vector<ByteView> frames;
    result.broken = !decoder.feed(bytes, frames);
    for (const ByteView frame : frames) result.frames.emplace_back(frame.begin(), frame.end());
    result.empty += decoder.take_empty();
  }
  return result;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const ByteView input{data, size};
  const std::size_t cuts = std::min<std::size_t>(input[0], size - 1);
  const ByteView stream = input.subspan(1 + cuts);
  const Decoded expected = decode_at_once(stream);
  const Decoded actual = decode_in_pieces(input.subspan(1, cuts), stream);
  require(actual.broken == expected.broken);
  require(actual.frames == expected.frames);
  require(actual.empty == expected.empty);
  return 0;
}
