// Services: those of the configuration at work, whoever answers for them: the fabric, files over HTTP of our own, or
// programs of the host.
#pragma once

#include <functional>
#include <set>
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

  /// Exactly these from now on; who has not changed goes on, and who is down stays down. On an error, a sentence, the
  /// services of files are as they were.
  [[nodiscard]] Result<void, std::string> serve(const std::vector<Service>& services);
  /// A service that is down is as silent as a host without power: what it was talking about ends without a word, those
  /// of the host's programs too. False: there is none of that name.
  [[nodiscard]] bool set_up(std::string_view name, bool up, std::string_view cause);
  /// Those that are down. All are up at the start.
  [[nodiscard]] const std::set<std::string, std::less<>>& down() const noexcept { return down_; }

  [[nodiscard]] Instant next_deadline() const { return files_.next_deadline(); }
  void expire(Instant now) { files_.expire(now); }

 private:
  [[nodiscard]] network::ServiceConfig config_of(const Service& service);
  /// The fabric is told of all of them. One that goes on is not disturbed by it.
  void tell_fabric();
  void hear(const std::string& service, const network::SyslogMessage& message);

  network::Fabric& fabric_;
  std::string folder_;
  Clock clock_;
  FileServices files_;
  std::vector<Service> services_;
  std::set<std::string, std::less<>> down_;
};

}  // namespace vnet::daemon
