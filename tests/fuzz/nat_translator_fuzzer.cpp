// Fuzzes the translator, and the packet editor under it, with lists of operations: packets that guests and the internet
// might send, and any bytes, out and in; errors about what has passed; time, pins, other configurations. What must
// hold:
//
// * a packet that passes is still one, as long as before, and its checksums are right if they were;
// * a packet that is dropped is what it was, and the reason is one of the translator's;
// * where ports are translated, what goes out comes from the outside address, and no port stands for two endpoints;
// * an error about what has just gone out finds its way back, to whom that came from;
// * the views, the counts and the limits agree, and when time has passed nothing is left.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <set>
#include <tuple>
#include <vector>

#include "nat/translator.hpp"
#include "tests/fuzz/any_packet.hpp"
#include "tests/support/ip_packets.hpp"

namespace {

using namespace vnet;
using namespace vnet::nat;
using namespace std::chrono_literals;
using test::Bytes;

void require(bool condition, int line = __builtin_LINE()) {
  if (!condition) std::fprintf(stderr, "line %d\n", line);
  if (!condition) std::abort();
}

const Ipv4Address kOutside4{198, 51, 100, 1};

/// ICMP with a wrong checksum gets no further than the parser.
void mend_icmp(Bytes& packet) {
  if (packet.size() >= 28 && packet[0] >> 4U == 4 && packet[9] == 1) {
    const std::size_t header = (packet[0] & 15U) * std::size_t{4};
    const std::size_t size = std::min<std::size_t>(load_be<std::uint16_t>(packet.data() + 2), packet.size());
    if (header < 20 || size < header + 8) return;
    store_be(packet.data() + header + 2, std::uint16_t{0});
    store_be(packet.data() + header + 2, checksum(ByteView{packet}.subspan(header, size - header)));
  } else if (packet.size() >= 48 && packet[0] >> 4U == 6 && packet[6] == 58) {
    const std::size_t size = load_be<std::uint16_t>(packet.data() + 4);
    if (size < 8 || size > packet.size() - 40) return;
    store_be(packet.data() + 42, std::uint16_t{0});
    const auto sum =
        Checksum{}
            .add_pseudo(Ipv6Address::load(packet.data() + 8), Ipv6Address::load(packet.data() + 24), 58, size)
            .add(ByteView{packet}.subspan(40, size))
            .finish();
    store_be(packet.data() + 42, sum);
  }
}

class World {
 public:
  void run(ByteReader in) {
    subject_.emplace(config(in.be32()), random_);
    while (in.remaining() > 0) {
      const std::uint8_t op = in.u8();
      current_ = current_ && op % 16 > 8;
      switch (op % 16) {
        case 0: pass_time(std::chrono::milliseconds{in.be16() * std::int64_t{op}}); break;
        case 1: now_ += std::chrono::seconds{in.u8()}; break;
        case 2: subject_->reconfigure(config(in.be32()), now_); break;
        case 3: pin(op, in); break;
        case 4: subject_->unpin(static_cast<NatProtocol>(op / 16 % 4), port(in.u8()), now_); break;
        case 5:
          subject_->unpin(static_cast<NatProtocol>(op / 16 % 4), port(in.u8()), inside(in.u8()), now_, op > 127);
          break;
        case 6:
          if (op == 6) subject_->clear();
          break;
        case 7:
        case 8: any(in, op % 16 == 7); break;
        case 9: complain(in); break;
        case 10:
        case 11: arrive(op, in); break;
        default: send(op, in); break;
      }
      check();
    }
    finish();
  }

 private:
  static TranslatorConfig config(std::uint32_t bits) {
    const auto take = [&bits](std::uint32_t count) {
      const std::uint32_t value = bits % count;
      bits /= count;
      return value;
    };
    TranslatorConfig config;
    NatBehavior& behavior = config.behavior;
    behavior.mapping = static_cast<Dependence>(take(3));
    behavior.filtering = static_cast<Dependence>(take(3));
    behavior.ports = static_cast<PortChoice>(take(3));
    behavior.ipv6 = static_cast<Ipv6Way>(take(3));
    behavior.firewall = take(2) != 0;
    behavior.inbound_refresh = take(2) != 0;
    behavior.one_to_one = take(4) == 3;
    behavior.translates = take(8) != 7;
    behavior.hairpin = take(4) != 3;
    behavior.tcp_established_timeout = take(2) != 0 ? Duration{7440s} : Duration{100s};
    if (take(8) != 7) config.outside4 = take(4) == 3 ? Ipv4Address{198, 51, 100, 2} : kOutside4;
    if (take(8) != 7) config.outside6 = Ipv6Address::parse("2001:db8:1:2::1");
    config.inside4 = Ipv4Prefix::parse("192.168.127.0/24");
    config.inside6 = Ipv6Prefix::parse("fd00:1::/64");
    config.inside6->length = std::array<std::uint8_t, 4>{64, 48, 56, 96}[take(4)];
    return config;
  }
  static std::uint16_t port(std::uint8_t of) {
    constexpr std::array<std::uint16_t, 8> kPorts{0, 1, 80, 1023, 1024, 5000, 5001, 65535};
    return kPorts[of % 8];
  }
  static Endpoint inside(std::uint8_t of) {
    constexpr std::array kAddresses{"192.168.127.2", "192.168.127.3", "fd00:1::2", "fd00:1::3"};
    return {*parse_ip(kAddresses[of / 8 % 4]), port(of)};
  }
  /// Outside, of the family of `like`; also our own.
  Endpoint outside(std::uint8_t of, const Endpoint& like) const {
    constexpr std::array kAddresses{"203.0.113.7", "203.0.113.8", "198.51.100.1",
                                    "2001:db8::7", "2001:db8::8", "2001:db8:1:2::1"};
    return {*parse_ip(kAddresses[of / 8 % 3 + (is_v4(like.address) ? 0U : 3U)]), port(of)};
  }
  static Bytes packet_of(const Endpoint& from, const Endpoint& to, std::uint8_t kind) {
    switch (kind % 4) {
      case 0: return test::udp(from, to);
      case 1: return test::tcp(from, to, kind / 4U);
      case 2: return kind % 8 == 2 ? test::echo(from, to.address) : test::echo_reply(from.address, to);
      default: return test::ip(from.address, to.address, kind, Bytes(kind % 32));
    }
  }

  void send(std::uint8_t op, ByteReader& in) {
    const Endpoint from = inside(in.u8());
    const Endpoint to = outside(in.u8(), from);
    Bytes packet = packet_of(from, to, in.u8());
    if (op > 0xf0 && packet.size() > 8) packet[in.u8() % packet.size()] ^= 1;
    const Bytes before = packet;
    if (!pass(packet, true)) return;
    sent_ = before;
    translated_ = packet;
    current_ = true;
  }
  /// From somebody outside, to where something has come from.
  void arrive(std::uint8_t op, ByteReader& in) {
    const Endpoint like = inside(op);
    const Endpoint from = outside(in.u8(), like);
    Endpoint to = outside(16, like);
    to.port = port(in.u8());
    if (const auto editor = PacketEditor::parse(translated_); editor && in.u8() % 2 == 0) {
      to = {editor->source(), editor->source_port()};
    }
    if (is_v4(to.address) != is_v4(from.address)) return;
    Bytes packet = packet_of(from, to, in.u8());
    pass(packet, false);
  }
  void any(ByteReader& in, bool outbound) {
    Bytes packet = fuzz::any_packet(in);
    mend_icmp(packet);
    pass(packet, outbound);
  }
  /// About what went out last; the state that it made must be there still.
  void complain(ByteReader& in) {
    const std::size_t size = std::min<std::size_t>(in.u8(), translated_.size());
    auto sent = PacketEditor::parse(sent_);
    auto translated = PacketEditor::parse(translated_);
    if (!sent || !translated) return;
    const IpAddress router = *parse_ip(translated->is_v4() ? "192.0.2.9" : "2001:db8::9");
    Bytes error = test::unreachable(router, translated->source(), ByteView{translated_}.first(size));
    if (!pass(error, false)) return;
    const auto editor = PacketEditor::parse(error);
    if (!current_) return;
    require(editor->destination() == sent->source());
    if (editor->quoted_kind() != PacketEditor::Kind::other) {
      require(editor->quoted_source() == sent->source() && editor->quoted_source_port() == sent->source_port());
    }
  }
  void pin(std::uint8_t op, ByteReader& in) {
    const auto protocol = static_cast<NatProtocol>(op / 16 % 4);
    const std::uint16_t at = port(in.u8());
    const Endpoint to = inside(in.u8());
    const bool free = subject_->is_free(protocol, at, to, now_);
    const bool pinned = subject_->pin(protocol, at, to, now_);
    require(!free || pinned);
  }

  /// Whether it has passed.
  bool pass(Bytes& packet, bool outbound) {
    // Exactly as large, so that a look behind its end is seen.
    packet.shrink_to_fit();
    auto editor = PacketEditor::parse(packet);
    if (!editor) return false;
    const Bytes before = packet;
    const bool right = test::sums_ok(editor->bytes(), false);
    const IpAddress to = editor->destination();
    const auto reason = outbound ? subject_->outbound(*editor, now_) : subject_->inbound(*editor, now_);
    if (reason) {
      require(packet == before);
      require(*reason == DropReason::nat_filtered || *reason == DropReason::nat_unmapped ||
              *reason == DropReason::nat_exhausted || *reason == DropReason::no_route ||
              *reason == DropReason::no_service);
      return false;
    }
    const auto after = PacketEditor::parse(packet);
    require(after && after->kind() == editor->kind() && after->bytes().size() == editor->bytes().size());
    require(!right || test::sums_ok(after->bytes(), false));
    const NatBehavior& behavior = subject_->config().behavior;
    const auto outside4 = subject_->config().outside4;
    if (after->is_v4() && behavior.translates && outside4) {
      require((outbound ? after->source() : to) == IpAddress{*outside4});
    }
    return true;
  }

  void pass_time(Duration duration) {
    now_ += duration;
    subject_->expire(now_, [](ByteView packet) {
      const auto version = packet[0] >> 4U;
      require(packet.size() >= 40 && packet.size() <= HeldSyns::kBytes && (version == 4 || version == 6));
    });
    require(subject_->next_deadline() > now_);
  }
  void check() const {
    std::size_t count = 0;
    std::size_t sessions = 0;
    std::set<std::tuple<NatProtocol, bool, std::string, std::uint16_t>> outsides;
    subject_->each([&](const MappingView& view) {
      ++count;
      sessions += view.sessions;
      require(view.sessions != 0 || view.pinned);
      require(outsides
                  .emplace(view.protocol, is_v4(view.outside.address), vnet::to_string(view.outside.address),
                           view.outside.port)
                  .second);
    });
    require(count == subject_->size() && sessions == subject_->sessions());
    require(count <= Translator::kMaxMappings);
  }
  void finish() {
    subject_->each([this](const MappingView& view) {
      if (view.pinned) pinned_.push_back(view);
    });
    for (const MappingView& view : pinned_) subject_->unpin(view.protocol, view.outside.port, view.inside, now_, true);
    pass_time(3h);
    pass_time(3h);
    require(subject_->size() == 0 && subject_->sessions() == 0 && subject_->next_deadline() == kNever);
  }

  Instant now_{1h};
  Random random_{1};
  std::optional<Translator> subject_;
  Bytes sent_;
  Bytes translated_;
  bool current_ = false;  ///< nothing but packets like it has come since, and no time has passed
  std::vector<MappingView> pinned_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size <= 2048) World{}.run(ByteReader{{data, size}});
  return 0;
}
