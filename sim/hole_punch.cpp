// Messages are words, so that a capture can be read:
//   join ROOM NAME CANDIDATE...   to the server, until it answers
//   peer CANDIDATE...             from the server, when both are there
//   punch ROOM NUMBER             to the candidate of that number
//   pong ROOM NUMBER              where the punch came from
//   relay ROOM NAME TEXT          to the server, which passes it on as: relayed TEXT
#include "sim/hole_punch.hpp"

#include <algorithm>
#include <utility>

namespace vnet::sim {
namespace {

/// The first word of `text`, which is left with the rest.
std::string_view take_word(std::string_view& text) {
  const std::size_t end = std::min(text.find(' '), text.size());
  const std::string_view word = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return word;
}

}  // namespace

RendezvousServer::RendezvousServer(Host& host, std::uint16_t port) : host_(host), socket_(host.udp(port)) {
  socket_.on_message = [this](const Endpoint& from, ByteView payload) { handle(from, as_text(payload)); };
}

RendezvousServer::~RendezvousServer() { socket_.close(); }

void RendezvousServer::handle(const Endpoint& from, std::string_view text) {
  const std::string_view word = take_word(text);
  const std::string room{take_word(text)};
  const std::string_view who = take_word(text);
  if (word == "join") return join(room, from, who, text);
  if (word != "relay") return;
  for (const auto& [name, member] : rooms_[room]) {
    if (name != who) socket_.send(member.reflexive, "relayed " + std::string{text});
  }
}

void RendezvousServer::join(const std::string& room, const Endpoint& from, std::string_view who,
                            std::string_view candidates) {
  auto& members = rooms_[room];
  if (members.size() >= 2 && !members.contains(who)) return;
  members[std::string{who}] = {from, to_string(from) + (candidates.empty() ? "" : " ") + std::string{candidates}};
  if (members.size() < 2) return;
  const Member& first = members.begin()->second;
  const Member& second = members.rbegin()->second;
  socket_.send(first.reflexive, "peer " + second.candidates);
  socket_.send(second.reflexive, "peer " + first.candidates);
}

PunchClient::PunchClient(Host& host, const Endpoint& server, std::string room, const PunchOptions& options)
    : host_(host), socket_(host.udp()), server_(server), room_(std::move(room)), options_(options) {
  socket_.on_message = [this](const Endpoint& from, ByteView payload) { handle(from, as_text(payload)); };
}

PunchClient::~PunchClient() { socket_.close(); }

void PunchClient::start() {
  host_.world().every(options_.pace, [this, alive = std::weak_ptr{alive_}] { return !alive.expired() && repeat(); });
}

bool PunchClient::repeat() {
  if (is_done()) return false;
  const World& world = host_.world();
  if (!begun_) {
    std::string text = "join " + room_ + " " + host_.name();
    if (options_.own_addresses && host_.ipv4()) text += " " + to_string(Endpoint{*host_.ipv4(), socket_.port()});
    if (options_.own_addresses && host_.ipv6()) text += " " + to_string(Endpoint{*host_.ipv6(), socket_.port()});
    socket_.send(server_, text);
  } else if (world.now() < *begun_ + options_.patience) {
    for (std::size_t i = 0; i < candidates_.size(); ++i) punch(i);
  } else if (world.now() < *begun_ + 2 * options_.patience) {
    socket_.send(server_, "relay " + room_ + " " + host_.name() + " punch");
  } else {
    gave_up_ = true;
  }
  return true;
}

void PunchClient::handle(const Endpoint& from, std::string_view text) {
  const std::string_view word = take_word(text);
  if (from == server_) {
    if (word == "peer") begin(text);
    if (word == "relayed" && text == "punch") {
      socket_.send(server_, "relay " + room_ + " " + host_.name() + " pong");
    } else if (word == "relayed" && text == "pong") {
      settle_for(Path::relayed, server_);
    }
    return;
  }
  if (take_word(text) != room_) return;  // somebody else's, who has the same address in another network
  if (word == "punch") {
    socket_.send(from, "pong " + room_ + " " + std::string{text});
    add_candidate(from);
  } else if (word == "pong") {
    const auto candidate = std::ranges::find(candidates_, from);
    const bool answers = std::to_string(candidate - candidates_.begin()) == text;
    if (candidate != candidates_.end() && answers) settle_for(Path::direct, from);
  }
}

void PunchClient::begin(std::string_view candidates) {
  if (begun_) return;
  begun_ = host_.world().now();
  while (!candidates.empty()) {
    if (const auto candidate = parse_endpoint(take_word(candidates))) add_candidate(*candidate);
  }
}

void PunchClient::add_candidate(const Endpoint& candidate) {
  if (candidates_.size() >= kMaxCandidates || std::ranges::find(candidates_, candidate) != candidates_.end()) return;
  candidates_.push_back(candidate);
  if (!is_done()) punch(candidates_.size() - 1);
}

void PunchClient::punch(std::size_t candidate) {
  socket_.send(candidates_[candidate], "punch " + room_ + " " + std::to_string(candidate));
}

void PunchClient::settle_for(Path path, const Endpoint& peer) {
  if (is_done()) return;
  path_ = path;
  peer_ = peer;
}

PunchResult punch_hole(World& world, Host& a, Host& b, RendezvousServer& server, const PunchOptions& options) {
  const std::string room = std::to_string(world.random().next());
  const std::uint64_t served = server.sent();
  const Instant start = world.now();
  PunchClient first{a, server.endpoint(), room, options};
  PunchClient second{b, server.endpoint(), room, options};
  first.start();
  second.start();
  // A client that gives up has been patient twice; to reach the server it has as long as that.
  (void)world.run_until([&] { return first.is_done() && second.is_done(); }, 4 * options.patience);
  PunchResult result;
  result.took = world.now() - start;
  const bool failed = first.path() == Path::none || second.path() == Path::none;
  const bool direct = first.path() == Path::direct && second.path() == Path::direct;
  result.path = failed ? Path::none : direct ? Path::direct : Path::relayed;
  if (direct) {
    result.a = second.peer();
    result.b = first.peer();
  }
  result.packets = first.sent() + second.sent() + server.sent() - served;
  return result;
}

}  // namespace vnet::sim
