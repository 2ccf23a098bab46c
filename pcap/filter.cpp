// The only file that knows libpcap.
#include "pcap/filter.hpp"

#include <pcap/pcap.h>

#include <algorithm>

namespace vnet::capture {
namespace {

constexpr int kLongestFrame = 262144;  // bytes; longer than any frame, so a match never shortens one

struct ClosePcap {
  void operator()(pcap_t* handle) const noexcept { pcap_close(handle); }
};

}  // namespace

void Filter::Free::operator()(bpf_program* program) const noexcept {
  pcap_freecode(program);
  delete program;
}

Result<Filter, std::string> Filter::compile(const std::string& expression) {
  Filter filter;
  if (std::ranges::all_of(expression, [](char c) { return c == ' ' || c == '\t'; })) return filter;
  if (expression.size() > kMaxFilterLength) {
    return fail("longer than " + std::to_string(kMaxFilterLength) + " bytes");
  }
  if (expression.find('\0') != std::string::npos) return fail(std::string{"contains a NUL byte"});

  const std::unique_ptr<pcap_t, ClosePcap> handle{pcap_open_dead(DLT_EN10MB, kLongestFrame)};
  if (handle == nullptr) return fail(std::string{"out of memory"});
  auto program = std::make_unique<bpf_program>();
  constexpr int kOptimize = 1;
  if (pcap_compile(handle.get(), program.get(), expression.c_str(), kOptimize, PCAP_NETMASK_UNKNOWN) != 0) {
    return fail(std::string{pcap_geterr(handle.get())});
  }
  filter.expression_ = expression;
  filter.program_.reset(program.release());
  return filter;
}

bool Filter::run(ByteView frame) const noexcept {
  pcap_pkthdr header{};
  header.caplen = header.len = static_cast<bpf_u_int32>(frame.size());
  return pcap_offline_filter(program_.get(), &header, frame.data()) != 0;
}

}  // namespace vnet::capture
