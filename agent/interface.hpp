// Interface: the network interface that the agent looks after, through rtnetlink(7).
//
// An assignment goes to the kernel as one batch of messages: link up with its MTU, what was set before and is not
// wanted any more removed, addresses, default routes. The kernel works through it in order, so nothing waits for
// anything.
//
// Not supported: more than one address of a family, other routes than the default, an interface that is renamed
// meanwhile.
#pragma once

#include <optional>
#include <string>

#include "agent/assignment.hpp"

namespace vnet::agent {

class Interface {
 public:
  /// The interface called `name`, else that with the MAC address, else the only one besides the loopback; nothing
  /// matches, or two do: index() is 0, and find() may be called again.
  void find(const std::string& name, const std::optional<Mac>& mac);
  [[nodiscard]] int index() const noexcept { return index_; }
  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  [[nodiscard]] const Mac& mac() const noexcept { return mac_; }

  /// Sets it; the error says what the kernel did not take, and the rest is set. Empty: all is well.
  [[nodiscard]] std::string set(const Assignment& wanted);
  [[nodiscard]] const std::optional<Assignment>& assignment() const noexcept { return set_; }

 private:
  int index_ = 0;
  std::string name_;
  Mac mac_{};
  std::optional<Assignment> set_;
};

/// Gives the interface with the MAC address `was` the address `now`. Empty: it has it.
[[nodiscard]] std::string change_mac(const Mac& was, const Mac& now);

/// Link changes of one interface, as the kernel tells them.
class LinkWatch {
 public:
  LinkWatch();
  LinkWatch(const LinkWatch&) = delete;
  LinkWatch& operator=(const LinkWatch&) = delete;
  ~LinkWatch();

  [[nodiscard]] int fd() const noexcept { return fd_; }
  /// Has the kernel tell the present state of all links.
  void ask() const;
  /// Reads what has come. What the carrier of interface `index` is by it; nullopt: nothing was said about it.
  [[nodiscard]] std::optional<bool> read(int index) const;

 private:
  int fd_ = -1;
};

}  // namespace vnet::agent
