#include "adapter/tap_device.hpp"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <sys/ioctl.h>

#include <cerrno>
#include <cstring>
#include <tuple>

namespace vnet::adapter {
namespace {

using dgram::SystemError;
using dgram::SystemResult;

/// The interface's settings, one ioctl each (netdevice(7)). Any socket will do; it must be made in the namespace.
class Control {
 public:
  Control(dgram::Fd socket, std::string name) : socket_(std::move(socket)), name_(std::move(name)) {}

  [[nodiscard]] SystemResult<void> set_mac(const MacAddress& mac) const {
    ifreq request = about();
    request.ifr_hwaddr.sa_family = ARPHRD_ETHER;
    std::memcpy(request.ifr_hwaddr.sa_data, mac.octets().data(), MacAddress::kSize);
    return call(SIOCSIFHWADDR, request, "set the MAC address " + mac.to_string());
  }
  [[nodiscard]] SystemResult<void> set_mtu(int mtu) const {
    ifreq request = about();
    request.ifr_mtu = mtu;
    return call(SIOCSIFMTU, request, "set the MTU " + std::to_string(mtu));
  }
  [[nodiscard]] SystemResult<void> set_queue(int frames) const {
    if (frames == 0) return {};
    ifreq request = about();
    request.ifr_qlen = frames;
    return call(SIOCSIFTXQLEN, request, "set the queue length " + std::to_string(frames));
  }
  [[nodiscard]] SystemResult<void> bring_up() const {
    ifreq request = about();
    return call(SIOCGIFFLAGS, request, "read the flags").and_then([&] {
      request.ifr_flags = static_cast<short>(request.ifr_flags | IFF_UP);
      return call(SIOCSIFFLAGS, request, "bring up");
    });
  }

 private:
  [[nodiscard]] ifreq about() const {
    ifreq request{};
    name_.copy(request.ifr_name, IFNAMSIZ - 1);
    return request;
  }
  [[nodiscard]] SystemResult<void> call(unsigned long what, ifreq& request, const std::string& words) const {
    if (::ioctl(socket_.get(), what, &request) == 0) return {};
    return fail(SystemError{words + " of " + name_, errno});
  }

  dgram::Fd socket_;
  std::string name_;
};

SystemResult<dgram::Fd> make_interface(const std::string& name) {
  dgram::Fd fd{::open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC)};
  if (!fd) return fail(SystemError{"open /dev/net/tun", errno});
  ifreq request{};
  name.copy(request.ifr_name, IFNAMSIZ - 1);
  request.ifr_flags = IFF_TAP | IFF_NO_PI;
  if (::ioctl(fd.get(), TUNSETIFF, &request) != 0) return fail(SystemError{"make the interface " + name, errno});
  return fd;
}

}  // namespace

SystemResult<TapDevice> TapDevice::open(const TapSettings& settings) {
  auto fd = make_interface(settings.name);
  if (!fd) return fail(fd.error());
  auto socket = dgram::make_socket(SOCK_DGRAM);
  if (!socket) return fail(socket.error());
  TapDevice device{std::move(*fd)};
  device.set_carrier(false);
  const Control control{std::move(*socket), settings.name};
  return control.set_mac(settings.mac)
      .and_then([&] { return control.set_mtu(settings.mtu); })
      .and_then([&] { return control.set_queue(settings.queue); })
      .and_then([&] { return control.bring_up(); })
      .map([&] { return std::move(device); });
}

void TapDevice::set_carrier(bool up) const noexcept {
  int carrier = up ? 1 : 0;
  std::ignore = ::ioctl(fd_.get(), TUNSETCARRIER, &carrier);
}

}  // namespace vnet::adapter
