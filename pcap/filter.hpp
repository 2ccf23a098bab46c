// A capture filter: libpcap's expression language ("not arp and host 10.0.0.2"), compiled once to BPF.
//
// libpcap does both halves. Compiling optimises for Ethernet; matching interprets a short, loop-free program that
// checks every access against the frame's length, so a hostile frame costs no more than a good one.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "packet/bytes.hpp"
#include "packet/result.hpp"

struct bpf_program;

namespace vnet::capture {

/// Longest filter expression, in bytes; a longer one is refused.
inline constexpr std::size_t kMaxFilterLength = 4096;

class Filter {
 public:
  /// Lets everything through.
  Filter() noexcept = default;

  /// The empty expression lets everything through. The error is libpcap's own message.
  static Result<Filter, std::string> compile(const std::string& expression);

  [[nodiscard]] bool matches(ByteView frame) const noexcept { return program_ == nullptr || run(frame); }
  [[nodiscard]] const std::string& expression() const noexcept { return expression_; }

 private:
  struct Free {
    void operator()(bpf_program* program) const noexcept;
  };
  [[nodiscard]] bool run(ByteView frame) const noexcept;

  std::string expression_;
  std::unique_ptr<bpf_program, Free> program_;
};

}  // namespace vnet::capture
