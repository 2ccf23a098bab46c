#include "load.hpp"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <fstream>

namespace vnet::bench {
namespace {

using Clock = std::chrono::steady_clock;

std::vector<std::uint8_t> make_frame(std::size_t from, std::size_t to, std::size_t bytes) {
  std::vector<std::uint8_t> frame(std::max<std::size_t>(bytes, 14));
  std::ranges::copy(mac_of(to).bytes(), frame.begin());
  std::ranges::copy(mac_of(from).bytes(), frame.begin() + 6);
  store_be(frame.data() + 12, std::uint16_t{0x88b5});  // IEEE 802 local experimental
  return frame;
}

std::size_t drain(NicSocket& nic, dgram::ReceiveBatch& batch, std::size_t frame_bytes) {
  std::size_t received = 0;
  while (true) {
    const int count = batch.receive(nic.fd.get(), false);
    if (count <= 0) return received;
    for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) received += batch.frame(i).size() == frame_bytes;
    if (count < static_cast<int>(dgram::kBatch)) return received;
  }
}

}  // namespace

MacAddress mac_of(std::size_t nic) { return MacAddress::from_u64(0x520000000000U + nic); }

double cpu_seconds(int pid) {
  // Nanoseconds on a CPU, as the scheduler accounts them; clock ticks would be too coarse for a second's run.
  double sum = 0;
  for (const auto& task : std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/task")) {
    double nanoseconds = 0;
    std::ifstream{task.path() / "schedstat"} >> nanoseconds;
    sum += nanoseconds;
  }
  return sum / 1e9;
}

std::uint64_t resident_bytes(int pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/statm");
  std::uint64_t total = 0;
  std::uint64_t resident = 0;
  file >> total >> resident;
  return resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

void introduce(std::vector<NicSocket>& nics) {
  dgram::ReceiveBatch batch;
  for (std::size_t i = 0; i < nics.size(); ++i) {
    // To itself: learned, and delivered to nobody.
    auto frame = make_frame(i, i, 60);
    const ByteView view = frame;
    for (int tries = 0; tries < 1000; ++tries) {
      const auto result = dgram::send_batch(nics[i].fd.get(), {&view, 1}, nics[i].connected() ? nullptr : &nics[i].to);
      if (result.sent == 1) break;
      pollfd wait{nics[i].fd.get(), POLLOUT, 0};
      ::poll(&wait, 1, 1);
    }
  }
  for (int quiet = 0; quiet < 3; ++quiet) {
    ::poll(nullptr, 0, 50);
    for (NicSocket& nic : nics) drain(nic, batch, 0);
  }
}

Result run(std::vector<NicSocket>& nics, const Plan& plan, int switch_pid) {
  dgram::ReceiveBatch batch;
  std::vector<std::vector<std::uint8_t>> frames;
  for (std::size_t i = 0; i + 1 < nics.size(); i += 2) frames.push_back(make_frame(i, i + 1, plan.frame_bytes));
  Result result;
  const double cpu_before = cpu_seconds(switch_pid);
  const auto start = Clock::now();
  const auto end = start + std::chrono::duration<double>(plan.seconds);
  std::vector<ByteView> burst(plan.burst);
  for (std::size_t turn = 0; Clock::now() < end; ++turn) {
    const std::size_t pair = turn % frames.size();
    NicSocket& sender = nics[2 * pair];
    NicSocket& receiver = nics[2 * pair + 1];
    std::ranges::fill(burst, ByteView{frames[pair]});
    const auto sent = dgram::send_batch(sender.fd.get(), burst, sender.connected() ? nullptr : &sender.to);
    result.sent += sent.sent;
    result.received += drain(receiver, batch, plan.frame_bytes);
    if (plan.patient && sent.sent < burst.size()) {
      // The switch is behind. Wait for what is on its way, as a NIC with a full queue does.
      pollfd wait{receiver.fd.get(), POLLIN, 0};
      ::poll(&wait, 1, 1);
    }
  }
  for (int quiet = 0; quiet < 2; ++quiet) {
    ::poll(nullptr, 0, 20);
    for (std::size_t i = 1; i < nics.size(); i += 2) result.received += drain(nics[i], batch, plan.frame_bytes);
  }
  result.seconds = std::chrono::duration<double>(Clock::now() - start).count();
  result.cpu_seconds = cpu_seconds(switch_pid) - cpu_before;
  return result;
}

}  // namespace vnet::bench
