#include "network/services/ntp_service.hpp"

#include <array>

namespace vnet::network {
namespace {

constexpr unsigned kModeClient = 3;
constexpr unsigned kModeServer = 4;
constexpr unsigned kMaxVersion = 4;
constexpr std::size_t kPollAt = 2;
constexpr std::size_t kTransmitAt = 40;

constexpr std::uint8_t kStratumPrimary = 1;
constexpr std::uint8_t kPrecision = 0xe9;              // 2^-23 s, about that of a tick of 100 ns
constexpr std::uint32_t kRootDispersion = 0x00000042;  // 2^-16 s each: about 1 ms
constexpr std::string_view kReferenceId = "LOCL";
/// How often the clock claims to have been set.
using SetInterval = std::chrono::duration<std::int64_t, std::ratio<16>>;

constexpr std::int64_t kUnixEpoch = 2'208'988'800;  // of 1970, seconds since 1900

}  // namespace

std::uint64_t ntp_timestamp(WallTime time) noexcept {
  const auto whole = std::chrono::floor<std::chrono::seconds>(time);
  const auto seconds = static_cast<std::uint64_t>(whole.time_since_epoch().count() + kUnixEpoch);
  const auto nanoseconds = static_cast<std::uint64_t>((time - whole).count());
  return seconds << 32U | (nanoseconds << 32U) / 1'000'000'000U;
}

bool NtpService::handle(const ServiceDatagram& datagram, ServiceOutput& output, Instant now) {
  if (datagram.to.port != kPort) return false;
  const ByteView request = datagram.payload;
  if (request.size() < kHeaderSize) return true;
  const unsigned version = request[0] >> 3U & 7U;
  if ((request[0] & 7U) != kModeClient || version == 0 || version > kMaxVersion) return true;
  const WallTime time = clock_(now);
  const std::uint64_t timestamp = ntp_timestamp(time);
  std::array<std::uint8_t, kHeaderSize> room;
  ByteWriter out{room};
  out.u8(static_cast<std::uint8_t>(version << 3U | kModeServer));
  out.u8(kStratumPrimary);
  out.u8(request[kPollAt]);
  out.u8(kPrecision);
  out.be32(0);  // root delay
  out.be32(kRootDispersion);
  out.bytes(as_bytes(kReferenceId));
  out.be64(ntp_timestamp(std::chrono::floor<SetInterval>(time)));
  out.bytes(request.subspan(kTransmitAt, sizeof(std::uint64_t)));  // by which the client knows its request
  out.be64(timestamp);
  out.be64(timestamp);
  output.send({datagram.to, datagram.from, out.written()});
  return true;
}

}  // namespace vnet::network
