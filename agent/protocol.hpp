// What vnet-agent speaks, and with whom. All of it is lines of JSON.
//
// 1. With the host, over its channel (--vsock, --serial, --unix). The agent asks for its assignment:
//
//     agent   {"stay":true,"mac":"52:cc:cc:cc:cc:01"}      mac: only with --mac
//     host    wait | {"ip":"192.168.1.101","mask":"255.255.255.0","gw":"192.168.1.1", ...}
//
//    daemon/assign_protocol.hpp has the members. A host that knows no `stay` closes after its line; then, and after
//    `wait`, the agent asks again kAskEvery later. An assignment that differs from the one in effect replaces it.
//
// 2. From the host, over the same channel, commands. They are taken over a serial port and vsock, whose other end is
// the
//    host, never from the network, and over a UNIX socket not either:
//
//     host    {"id":1,"exec":["uname","-a"]}                        runs it, stdin empty, in a session of its own
//     host    {"id":1,"kill":15}                                    a signal for its process group
//     host    {"id":2,"put":"/tmp/a","data":BASE64,"mode":420,"append":false}
//     host    {"id":3,"get":"/etc/os-release"}
//     host    {"id":4,"ping":true}                                  for the exit code
//     host    {"id":5,"restored":{"seed":BASE64,"unix_ms":N,"macs":[["WAS","NOW"]]}}     see agent/wake.hpp
//     agent   {"id":1,"out":BASE64}  {"id":1,"err":BASE64}          as it comes; of get: out
//     agent   {"id":1,"exit":0}  {"id":1,"signal":9}                the last line about an id; of put and get: exit 0
//     agent   {"id":1,"error":"why it was not done"}                likewise
//
//    When the channel breaks, what runs is ended with SIGTERM.
//
// 3. To the test driver (--dial), over TCP:
//
//     agent   {"event":"hello","interface":"eth0","mac":..., "ip":...,"dial":3,"reason":"link up"}
//     agent   {"event":"link","up":false,"ms":123456}               ms: CLOCK_MONOTONIC
//
//    What the agent sees while the link is down waits until the next connection. What the driver says is ignored.
#pragma once

#include <cstddef>
#include <cstdint>

namespace vnet::agent {

/// Milliseconds of CLOCK_MONOTONIC.
using Millis = std::int64_t;
inline constexpr Millis kNoTime = INT64_MAX;

inline constexpr Millis kAskEvery = 500;
/// Asking again when an assignment is in effect and the host does not stay.
inline constexpr Millis kLookEvery = 5000;
/// A connection to the driver that is not there by then is tried anew.
inline constexpr Millis kDialTime = 1000;
inline constexpr Millis kDialEvery = 200;

/// The longest line; a longer one breaks the channel.
inline constexpr std::size_t kMaxLine = 96 * 1024;
/// What is read of a command's output or a file for one line.
inline constexpr std::size_t kChunk = 24 * 1024;
/// Lines for the host that wait; while there are more, no output is read.
inline constexpr std::size_t kMaxWaiting = 128 * 1024;
inline constexpr std::size_t kMaxCommands = 16;
/// Events that wait for the driver; the oldest go first.
inline constexpr std::size_t kMaxEvents = 64;

}  // namespace vnet::agent
