// Services: those of the configuration at work, whoever answers for them: the fabric, files over HTTP of our own, or
// programs of the host.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/config.hpp"
#include "daemon/file_services.hpp"
#include "daemon/wall_time.hpp"
#include "network/fabric.hpp"
#include "packet/result.hpp"

namespace vnet::daemon {

class Services {
 public:
  using Clock = std::function<Moment()>;

  /// The references outlive this. `folder` is where sockets of our own are made, at the first service that needs one.
  Services(network::Fabric& fabric, dgram::Poller& poller, std::string folder, Clock clock);

  /// Exactly these from now on; who has not changed goes on, those that were down are up. On an error, a sentence, the
  /// services of files are as they were.
  [[nodiscard]] Result<void, std::string> serve(const std::vector<Service>& services);
  /// A service that is down is as silent as a host without power. False: there is none of that name.
  [[nodiscard]] bool set_up(std::string_view name, bool up, std::string_view cause);

  [[nodiscard]] Instant next_deadline() const { return files_.next_deadline(); }
  void expire(Instant now) { files_.expire(now); }

 private:
  [[nodiscard]] network::ServiceConfig config_of(const Service& service);
  void hear(const std::string& service, const network::SyslogMessage& message);

  network::Fabric& fabric_;
  std::string folder_;
  Clock clock_;
  FileServices files_;
};

}  // namespace vnet::daemon
