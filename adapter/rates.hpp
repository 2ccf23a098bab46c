// Rates of NICs out of two looks at their counters.
//
// A NIC is known by its MAC address, as in the switch. Counters that went back are those of another process (the daemon
// was started again), so there is nothing to compare with: the NIC is shown as new, once.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "adapter/json.hpp"
#include "adapter/table.hpp"
#include "packet/time.hpp"

namespace vnet::adapter {

struct NicRate {
  std::string name;
  std::string network;
  std::string link;
  bool attached = false;
  bool is_new = false;   ///< no rates yet
  double in_frames = 0;  ///< per second, as all of these; in: what the NIC sent
  double in_bits = 0;
  double out_frames = 0;
  double out_bits = 0;
  std::map<std::string, double> drops = {};  ///< by reason, both directions; reasons that did not occur are left out
};

class Rates {
 public:
  /// `nics` is the document of /v1/nics, seen at `now`, later than the one before. Most traffic first, then by name.
  [[nodiscard]] std::vector<NicRate> update(const Json& nics, Instant now);

 private:
  struct Counts {
    std::uint64_t in_frames = 0, in_bytes = 0, out_frames = 0, out_bytes = 0;
    std::map<std::string, std::uint64_t> drops;
  };

  [[nodiscard]] static Counts counts_of(const Json& nic);

  std::map<std::string, Counts> seen_;
  Instant at_{};
};

/// The header line with totals, then a table, without line feeds.
[[nodiscard]] std::vector<std::string> rate_lines(const std::vector<NicRate>& rates, Style style);

}  // namespace vnet::adapter
