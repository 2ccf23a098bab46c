// The configuration parameters that go into OFFER and ACK, ready as bytes (RFC 2131, 4.3.1 and table 3).
//
// Made once from the configuration; answering a client is then a matter of choosing. A client that sends a parameter
// request list (option 55) gets what it names, in its order; one that sends none gets everything. Options that the
// configuration gives as raw bytes are sent to every client, because somebody wrote them down for that purpose.
// What does not fit into the client's maximum message size is left out, last things first.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string_view>
#include <vector>

#include "dhcp/config.hpp"
#include "dhcp/message.hpp"

namespace vnet::dhcp {

class Parameters {
 public:
  explicit Parameters(const ServerConfig& config);

  /// Appends what `request_list` asks for. `hostname` becomes option 12 where it is not empty.
  void write(MessageWriter& out, std::optional<ByteView> request_list, std::string_view hostname) const;

 private:
  struct Value {
    std::vector<std::uint8_t> bytes;
    bool unasked = false;  ///< sent although the client does not name it
  };
  std::map<std::uint8_t, Value> values_;
};

}  // namespace vnet::dhcp
