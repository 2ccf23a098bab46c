// Blocks of pcapng (IETF draft-ietf-opsawg-pcapng), big-endian, as the section header's magic number says.
#include "sim/capture.hpp"

#include <string_view>

namespace vnet::sim {
namespace {

constexpr std::uint32_t kSection = 0x0a0d0d0a;
constexpr std::uint32_t kInterface = 1;
constexpr std::uint32_t kPacket = 6;
// Options.
constexpr std::uint16_t kComment = 1;
constexpr std::uint16_t kName = 2;        // of an interface
constexpr std::uint16_t kFlags = 2;       // of a packet
constexpr std::uint16_t kResolution = 9;  // of an interface's times

/// A block's body, which is then framed by type and length.
class Block {
 public:
  explicit Block(std::uint32_t type) : type_(type) {}

  Block& be16(std::uint16_t value) { return put(value); }
  Block& be32(std::uint32_t value) { return put(value); }
  /// Filled up to four bytes.
  Block& bytes(ByteView more) {
    body_.insert(body_.end(), more.begin(), more.end());
    body_.resize((body_.size() + 3) / 4 * 4);
    return *this;
  }
  Block& option(std::uint16_t code, ByteView value) {
    return be16(code).be16(static_cast<std::uint16_t>(value.size())).bytes(value);
  }
  void append_to(Bytes& file) const {
    constexpr std::size_t kFrame = 12;
    Bytes framed(kFrame + body_.size());
    ByteWriter out{framed};
    const auto length = static_cast<std::uint32_t>(framed.size());
    out.be32(type_);
    out.be32(length);
    out.bytes(body_);
    out.be32(length);
    file.insert(file.end(), framed.begin(), framed.end());
  }

 private:
  template <typename T>
  Block& put(T value) {
    body_.resize(body_.size() + sizeof value);
    store_be(body_.data() + body_.size() - sizeof value, value);
    return *this;
  }

  std::uint32_t type_;
  Bytes body_;
};

}  // namespace

Capture::Capture(World& world) : world_(world) {
  constexpr std::uint32_t kMagic = 0x1a2b3c4d;
  constexpr std::uint32_t kUnknownLength = 0xffffffff;
  Block{kSection}.be32(kMagic).be16(1).be16(0).be32(kUnknownLength).be32(kUnknownLength).append_to(file_);
  world_.fabric().set_observer(this);
}

Capture::~Capture() { world_.fabric().set_observer(nullptr); }

std::uint32_t Capture::interface_of(l2::PortId port, std::size_t network) {
  const bool of_network = port == l2::kGatewayPort || port == l2::kWanPort;
  const auto number = static_cast<std::uint32_t>(interfaces_.size());
  const auto [found, fresh] = interfaces_.emplace(std::pair{port, of_network ? network : 0}, number);
  if (fresh) {
    constexpr std::uint16_t kEthernet = 1;
    constexpr std::uint8_t kNanoseconds = 9;
    const network::Fabric& fabric = world_.fabric();
    const std::string name =
        of_network ? (port == l2::kWanPort ? "outside of " : "gateway of ") + fabric.network_config(network).name
                   : fabric.nic(port).config.name;
    Block{kInterface}
        .be16(kEthernet)
        .be16(0)
        .be32(0)
        .option(kName, as_bytes(name))
        .option(kResolution, ByteView{&kNanoseconds, 1})
        .be32(0)
        .append_to(file_);
  }
  return found->second;
}

void Capture::on_frame(l2::PortId port, std::size_t network, network::Direction direction, ByteView frame,
                       std::optional<DropReason> dropped, Instant now) {
  constexpr std::uint32_t kInbound = 1;
  constexpr std::uint32_t kOutbound = 2;
  const std::uint32_t interface = interface_of(port, network);
  const auto at = static_cast<std::uint64_t>((now - World::kStart).count());
  const auto size = static_cast<std::uint32_t>(frame.size());
  Block block{kPacket};
  block.be32(interface).be32(static_cast<std::uint32_t>(at >> 32U)).be32(static_cast<std::uint32_t>(at));
  block.be32(size).be32(size).bytes(frame);
  block.be16(kFlags).be16(4).be32(direction == network::Direction::in ? kInbound : kOutbound);
  if (dropped) block.option(kComment, as_bytes("drop: " + std::string{to_string(*dropped)}));
  block.be32(0).append_to(file_);
}

}  // namespace vnet::sim
