// A service that answers datagrams at an address of the simulated internet, without a socket.
//
// It gets what was sent to it, after all NATs on the way, and answers through what it was lent: from any address of its
// own, at once or later.
#pragma once

#include "nat/host_socket.hpp"
#include "packet/bytes.hpp"
#include "packet/time.hpp"

namespace vnet::network {

struct ServiceDatagram {
  nat::Endpoint from;
  nat::Endpoint to;
  ByteView payload;
};

class ServiceOutput {
 public:
  virtual ~ServiceOutput() = default;
  /// The payload is copied. What does not fit 65,535 bytes with its headers is not sent.
  virtual void send(const ServiceDatagram& datagram) = 0;
};

class DatagramService {
 public:
  virtual ~DatagramService() = default;
  /// Not called for port 0. False: nobody listens at that port, which the sender is told by ICMP.
  [[nodiscard]] virtual bool handle(const ServiceDatagram& datagram, ServiceOutput& output, Instant now) = 0;
};

}  // namespace vnet::network
