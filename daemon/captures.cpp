#include "daemon/captures.hpp"

#include <algorithm>
#include <utility>

#include "daemon/json_format.hpp"

namespace vnet::daemon {
namespace {

capture::Options options_of(const CaptureRequest& request) {
  capture::Options options;
  options.filter = request.filter;
  options.snaplen = request.snaplen;
  options.interfaces = request.nics;
  options.application = "vnetd " VNET_VERSION;
  return options;
}

constexpr std::uint32_t kMaxId = 1'000'000'000;

}  // namespace

Result<std::string, std::string> Captures::start(CaptureRequest request, bool resume) {
  capture::Options options = options_of(request);
  options.path = request.file;
  options.rotate_bytes = std::uint64_t{request.rotate_mb} << 20U;
  options.keep = request.keep;
  options.keep_existing = resume;
  return add(std::move(request), std::move(options), false);
}

Result<std::string, std::string> Captures::start_live(CaptureRequest request, dgram::Fd connection) {
  capture::Options options = options_of(request);
  options.fd = connection.release();
  return add(std::move(request), std::move(options), true);
}

Result<std::string, std::string> Captures::add(CaptureRequest request, capture::Options options, bool live) {
  const dgram::Fd unused{running_.size() < kMaxCaptures ? -1 : options.fd};
  if (running_.size() >= kMaxCaptures) {
    return fail("there are " + std::to_string(kMaxCaptures) + " captures already, which is the limit");
  }
  auto writer = capture::Writer::create(std::move(options));
  if (!writer) return fail(std::move(writer.error()));
  if (request.id.empty()) {
    request.id = std::to_string(++last_id_);
  } else if (const auto number = parse_number(request.id, 1, kMaxId)) {
    last_id_ = std::max<std::uint64_t>(last_id_, *number);
  }
  std::string id = request.id;
  const Moment at = clock_();
  running_.push_back({std::move(request), live, at.unix_ms, std::make_unique<Recorder>(fabric_, std::move(*writer))});
  fabric_.set_observer(this);
  network::Event event;
  event.kind = network::EventKind::capture_started;
  event.at = at.now;
  event.subject = id;
  event.cause = live ? "live" : "to " + running_.back().request.file;
  fabric_.announce(std::move(event));
  next_look_ = std::min<Instant>(next_look_, at.now + kLookInterval);
  return id;
}

bool Captures::stop(std::string_view id) {
  const auto found = std::ranges::find(running_, id, [](const Running& capture) { return capture.request.id; });
  if (found == running_.end()) return false;
  found->recorder->stop();
  ending_.push_back(std::move(*found));
  running_.erase(found);
  if (running_.empty()) fabric_.set_observer(nullptr);
  return true;
}

const Captures::Running* Captures::find(std::string_view id) const {
  const auto found = std::ranges::find(running_, id, [](const Running& capture) { return capture.request.id; });
  return found == running_.end() ? nullptr : &*found;
}

std::vector<Captures::Ended> Captures::look(Instant now) {
  std::vector<Ended> ended;
  for (auto* const list : {&running_, &ending_}) {
    std::erase_if(*list, [&](const Running& capture) {
      if (!capture.recorder->stopped()) return false;
      // That a reader goes away is how a live capture ends.
      ended.push_back({capture.request.id, capture.live, capture.live ? std::string{} : capture.recorder->error()});
      return true;
    });
  }
  if (running_.empty()) fabric_.set_observer(nullptr);
  next_look_ = running_.empty() && ending_.empty() ? kNever : now + kLookInterval;
  return ended;
}

void Captures::on_frame(l2::PortId port, std::size_t network, network::Direction direction, ByteView frame,
                        std::optional<DropReason> dropped, Instant now) {
  for (const Running& capture : running_) capture.recorder->on_frame(port, network, direction, frame, dropped, now);
}

void Captures::on_event(l2::PortId port, const network::Event& event) {
  for (const Running& capture : running_) capture.recorder->on_event(port, event);
}

}  // namespace vnet::daemon
