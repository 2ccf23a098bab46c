// Leases, and moments on both clocks, for the tests of the lease store.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/lease_store.hpp"
#include "tests/support/temp_folder.hpp"

namespace vnet::daemon {

using vnet::test::TempFolder;

inline constexpr std::int64_t kStart = 1'700'000'000;  ///< Unix seconds

/// `seconds` after the start. The loop's clock began at another time than the wall's.
inline Moment moment(std::int64_t seconds) {
  return {Instant{std::chrono::seconds{5000 + seconds}}, (kStart + seconds) * 1000};
}

inline MacAddress mac_of(std::uint32_t number) { return MacAddress::from_u64(0x52cccc000000U + number); }

inline Ipv4Address ip_of(std::uint32_t number) { return Ipv4Address{0x0a000000U + number}; }

/// Client `number` on address `number`; its key holds every kind of byte.
inline dhcp::Lease lease_of(std::uint32_t number, Instant expires) {
  dhcp::Lease lease{ip_of(number), mac_of(number), {}, {}};
  lease.client = std::string("\x01\x00\xff\n\"", 5) + std::to_string(number);
  lease.hostname = "vm-" + std::to_string(number);
  lease.state = dhcp::LeaseState::bound;
  lease.expires = expires;
  return lease;
}

inline dhcp::LeaseEvent granted(std::uint32_t number, Instant expires) {
  return {dhcp::LeaseEvent::Kind::granted, lease_of(number, expires)};
}

inline std::unique_ptr<LeaseStore> open(const TempFolder& folder, std::int64_t seconds = 0) {
  auto store = LeaseStore::open(folder.path(), moment(seconds));
  EXPECT_TRUE(store) << store.error();
  return store ? std::move(*store) : nullptr;
}

/// The files of a folder, sorted.
inline std::vector<std::string> files(const TempFolder& folder) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator{folder.path()}) names.push_back(entry.path().filename());
  std::sort(names.begin(), names.end());
  return names;
}

/// A journal of the leases 1 to `count`, all of them until an hour after the start.
inline std::string journal_of(std::uint32_t count) {
  const TempFolder folder;
  auto store = open(folder);
  for (std::uint32_t i = 1; i <= count; ++i) store->note("lan", granted(i, moment(3600).now), moment(0));
  EXPECT_TRUE(store->commit(moment(0)));
  return folder.read("leases.jsonl");
}

}  // namespace vnet::daemon
