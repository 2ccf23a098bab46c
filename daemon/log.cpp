#include "daemon/log.hpp"

#include <poll.h>
#include <spdlog/fmt/fmt.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <nlohmann/json.hpp>
#include <utility>

namespace vnet::daemon {
namespace {

/// spdlog's `%v` does not escape; as a string of JSON a message must be.
class JsonMessage final : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm&, spdlog::memory_buf_t& out) override {
    const std::string text{message.payload.data(), message.payload.size()};
    const std::string quoted = nlohmann::json(text).dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
    out.append(quoted.data(), quoted.data() + quoted.size());
  }
  [[nodiscard]] std::unique_ptr<custom_flag_formatter> clone() const override {
    return std::make_unique<JsonMessage>();
  }
};

/// Standard error, which may be a pipe whose reader hangs. A line that would have to wait for it is lost, and counted:
/// frames do not wait for the log.
class StandardError final : public spdlog::sinks::stderr_color_sink_mt {
  using Sink = spdlog::sinks::stderr_color_sink_mt;

 public:
  void log(const spdlog::details::log_msg& message) override {
    // Of a pipe it means that a page is free, so that one line fits; of a file it is always so.
    pollfd wanted{STDERR_FILENO, POLLOUT, 0};
    if (::poll(&wanted, 1, 0) == 0) {
      ++lost_;
      return;
    }
    if (const auto lost = lost_.exchange(0); lost > 0) {
      const std::string text = fmt::format("{} lines were lost: nobody read standard error", lost);
      Sink::log({message.time, {}, message.logger_name, spdlog::level::warn, text});
    }
    Sink::log(message);
  }

 private:
  std::atomic<std::uint64_t> lost_ = 0;
};

spdlog::level::level_enum spdlog_level(LogLevel level) {
  switch (level) {
    case LogLevel::trace: return spdlog::level::trace;
    case LogLevel::debug: return spdlog::level::debug;
    case LogLevel::info: return spdlog::level::info;
    case LogLevel::warn: return spdlog::level::warn;
    case LogLevel::error: return spdlog::level::err;
  }
  return spdlog::level::info;
}

bool is_routine(network::EventKind kind) {
  return kind == network::EventKind::dhcp_renewed || kind == network::EventKind::mac_moved;
}

std::string describe(const DropCounters& drops) {
  std::string text;
  for (std::size_t i = 0; i < kDropReasonCount; ++i) {
    const auto reason = static_cast<DropReason>(i);
    if (drops[reason] > 0) text += fmt::format(" {}={}", to_string(reason), drops[reason]);
  }
  return text.empty() ? " none" : text;
}

}  // namespace

void start_log(LogLevel level, bool json) {
  auto log = std::make_shared<spdlog::logger>("vnetd", std::make_shared<StandardError>());
  if (json) {
    auto formatter = std::make_unique<spdlog::pattern_formatter>();
    formatter->add_flag<JsonMessage>('*').set_pattern(R"({"time":"%Y-%m-%dT%H:%M:%S.%e%z","level":"%l","message":%*})");
    log->set_formatter(std::move(formatter));
  } else {
    log->set_pattern("%H:%M:%S.%e %^%-5l%$ %v");
  }
  log->set_level(spdlog_level(level));
  spdlog::set_default_logger(std::move(log));
}

void log_counters(const network::Fabric& fabric, const DropCounters& door_drops) {
  for (std::size_t i = 0; i < fabric.nic_slots(); ++i) {
    const network::Nic& nic = fabric.nic(l2::PortId{static_cast<std::uint32_t>(i)});
    if (!nic.in_use) continue;
    const network::NicCounters& counters = nic.counters;
    spdlog::info("NIC {}: {} frames ({} bytes) in, {} ({}) out; dropped in:{}; dropped out:{}", nic.config.name,
                 counters.frames_in, counters.bytes_in, counters.frames_out, counters.bytes_out,
                 describe(counters.drops_in), describe(counters.drops_out));
  }
  spdlog::info("refused at the door:{}", describe(door_drops));
}

void EventLogger::log(const network::Event& event) {
  const bool routine = is_routine(event.kind);
  if (routine && !spdlog::should_log(spdlog::level::debug)) return;
  if (!lines_.take(event.at)) {
    ++suppressed_;
    return;
  }
  if (const auto count = std::exchange(suppressed_, 0); count > 0) spdlog::warn("{} events were not logged", count);
  spdlog::log(routine ? spdlog::level::debug : spdlog::level::info, "{} {}{}{}: {}", to_string(event.kind),
              event.network, event.nic.empty() ? "" : " ", event.nic, event.detail());
}

}  // namespace vnet::daemon
