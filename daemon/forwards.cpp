#include "daemon/forwards.hpp"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "daemon/forward_door.hpp"

namespace vnet::daemon {

Forwards::Forwards(Parts parts) : parts_(std::move(parts)) {}

Forwards::~Forwards() = default;

dgram::SystemResult<std::string> Forwards::open(std::size_t network, const Forward& forward, dgram::Fd inherited) {
  if (doors_.size() >= kMaxForwards) return fail(dgram::SystemError{"forward " + to_string(forward.listen), EMFILE});
  ForwardSocket socket;
  if (inherited) {
    socket.fd = std::move(inherited);
    if (const auto* const path = std::get_if<UnixPath>(&forward.listen)) socket.file = dgram::SocketFile{path->path};
  } else {
    auto made = ForwardSocket::open(forward);
    if (!made) return fail(made.error());
    socket = std::move(*made);
  }
  std::string id = std::to_string(next_id_++);
  Running running;
  running.id = id;
  running.network = network;
  running.forward = forward;
  doors_.push_back(ForwardDoor::make(parts_, std::move(running), std::move(socket)));
  return id;
}

dgram::SystemResult<void> Forwards::try_open(const Forward& forward) const {
  if (const auto made = ForwardSocket::open(forward); !made) return fail(made.error());
  return {};
}

bool Forwards::close(std::string_view id) {
  return std::erase_if(doors_, [&](const auto& door) { return door->running().id == id; }) != 0;
}

std::optional<std::string> Forwards::find(Protocol proto, const EndpointOrUnix& listen) const {
  const auto is_it = [&](const auto& door) {
    const Forward& forward = door->running().forward;
    return forward.proto == proto && forward.listen == listen;
  };
  const auto found = std::ranges::find_if(doors_, is_it);
  return found == doors_.end() ? std::nullopt : std::optional{(*found)->running().id};
}

std::vector<Forwards::Running> Forwards::running() const {
  std::vector<Running> all;
  for (const auto& door : doors_) all.push_back(door->look());
  return all;
}

std::vector<std::pair<std::string, int>> Forwards::listening() const {
  std::vector<std::pair<std::string, int>> all;
  for (const auto& door : doors_) {
    all.emplace_back(forward_key(door->running().forward), door->socket().fd.get());
  }
  return all;
}

void Forwards::disown() noexcept {
  for (const auto& door : doors_) door->disown();
}

void Forwards::retry() {
  if (doors_.empty()) return;
  const Instant now = parts_.clock();
  bool carried = false;
  for (const auto& door : doors_) carried = door->retry(now) || carried;
  if (carried) parts_.fabric.end_host_events(now);
}

Instant Forwards::next_deadline() const {
  Instant next = kNever;
  for (const auto& door : doors_) next = std::min(next, door->next_deadline());
  return next;
}

void Forwards::expire(Instant now) {
  if (now < next_deadline()) return;
  for (const auto& door : doors_) door->expire(now);
  parts_.after_frames();
}

}  // namespace vnet::daemon
