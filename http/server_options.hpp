// What a server's owner may set, and what a server counts.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

#include "http/request_parser.hpp"
#include "packet/time.hpp"

namespace vnet::http {

struct ServerOptions {
  /// At the limit the connection that has been idle for longest makes room; where none is idle, the new one gets a 503.
  std::size_t max_connections = 64;
  Duration request_time = std::chrono::seconds{10};  ///< from a request's first byte to its last; then 408
  Duration idle_time = std::chrono::seconds{60};     ///< between requests; then the connection is closed
  /// In which the client must take some of a response, unless that waits; then the connection is closed.
  Duration stall_time = std::chrono::seconds{30};
  std::size_t max_head = RequestLimits{}.max_head;  ///< bytes; 431 beyond
  std::size_t max_body = RequestLimits{}.max_body;  ///< bytes, decoded; 413 beyond
  /// On UNIX sockets, the peer must be our own effective user or root; others are closed at accept.
  bool same_user = true;
  /// If not empty, `Authorization: Bearer` must carry it; else 401.
  std::string token{};

  [[nodiscard]] RequestLimits request_limits() const noexcept { return {max_head, max_body}; }
};

struct ServerCounters {
  std::uint64_t accepted = 0;
  std::uint64_t refused_user = 0;
  std::uint64_t refused_limit = 0;  ///< 503, or no descriptor left
  std::uint64_t evicted = 0;        ///< idle ones that made room
  std::uint64_t requests = 0;       ///< given to the handler
  std::uint64_t faults = 0;         ///< answered by the server itself: 400, 401, 413, ...
  std::uint64_t timed_out = 0;      ///< too slow, in sending or in reading
};

}  // namespace vnet::http
