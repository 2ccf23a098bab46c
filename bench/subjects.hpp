// What is measured: switches behind the same kind of sockets, each in a process of its own.
//
//   relay        a bare recvmmsg/sendmmsg loop that looks at nothing: what the sockets themselves cost
//   vnetd        ours
//   vde_switch   the one that has been there for twenty years
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "load.hpp"

namespace vnet::bench {

enum class Attachment { own_paths, shared_path };

class Subject {
 public:
  virtual ~Subject() = default;
  [[nodiscard]] virtual int pid() const = 0;
  std::vector<NicSocket> nics;
};

/// Each starts a switch with `count` NICs and returns when frames flow; null, with the reason on stderr, when it
/// cannot.
[[nodiscard]] std::unique_ptr<Subject> start_relay(const std::string& folder, std::size_t count, Attachment attachment);
[[nodiscard]] std::unique_ptr<Subject> start_vnetd(const std::string& folder, std::size_t count, Attachment attachment,
                                                   const std::string& program, bool capture);
[[nodiscard]] std::unique_ptr<Subject> start_vde(const std::string& folder, std::size_t count);

}  // namespace vnet::bench
