// Feeds pipelined requests to RequestParser in pieces that the input cuts, and compares what comes out with parsers
// that get everything at once.
//
// Input: the first byte says how many bytes of cutting instructions follow; the rest is the stream. Each instruction is
// the length of one piece, and they are used round and round. Every piece is an allocation of its own.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "http/request_parser.hpp"
#include "http/url.hpp"
#include "packet/bytes.hpp"

namespace {

using namespace vnet;
using namespace vnet::http;
using State = RequestParser::State;

constexpr RequestLimits kLimits{.max_head = 2048, .max_body = 512};

void require(bool condition) {
  if (!condition) std::abort();
}

struct Parsed {
  std::string method, target, body;
  std::vector<std::string> path;
  Fields query, headers;
  bool persistent = false;
  bool operator==(const Parsed&) const = default;
};

struct Outcome {
  std::vector<Parsed> requests;
  bool failed = false;
};

void check(const Request& request) {
  require(request.body.size() <= kLimits.max_body && request.headers.size() <= kMaxFields);
  for (const std::string& segment : request.path) {
    require(segment.find('\0') == std::string::npos && decode(encode(segment)) == segment);
  }
  for (const auto& [name, value] : request.headers) {
    require(!name.empty() && (name + value).find_first_of(std::string_view{"\r\n\0", 3}) == std::string::npos);
  }
}

Outcome parse(ByteView cuts, std::string_view stream) {
  Outcome outcome;
  RequestParser parser{kLimits};
  for (std::size_t i = 0; !stream.empty(); ++i) {
    const std::size_t wanted = cuts.empty() ? stream.size() : std::size_t{cuts[i % cuts.size()]} + 1;
    const std::string piece{stream.substr(0, wanted)};
    const std::size_t used = parser.feed(piece);
    require(used <= piece.size());
    require(used == piece.size() || parser.state() != State::head);
    stream.remove_prefix(used);
    if (parser.state() == State::failed) {
      require(parser.fault().status >= 400 && !parser.fault().detail.empty());
      outcome.failed = true;
      break;
    }
    if (parser.state() != State::complete) continue;
    Request& request = parser.request();
    check(request);
    outcome.requests.push_back({request.method, request.target, request.body, request.path, request.query,
                                request.headers, parser.persistent()});
    parser = RequestParser{kLimits};
  }
  return outcome;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const ByteView input{data, size};
  const std::size_t cuts = std::min<std::size_t>(input[0], size - 1);
  const std::string_view stream = as_text(input.subspan(1 + cuts));
  const Outcome whole = parse({}, stream);
  const Outcome cut = parse(input.subspan(1, cuts), stream);
  require(whole.requests == cut.requests && whole.failed == cut.failed);
  return 0;
}
