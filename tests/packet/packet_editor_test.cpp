// Addresses and ports changed in place, with every checksum that is about them; whatever the packet looks like.
#include "packet/packet_editor.hpp"

#include <gtest/gtest.h>

#include "packet/random.hpp"
#include "tests/support/ip_packets.hpp"

namespace vnet {
namespace {

using namespace vnet::test;
using Kind = PacketEditor::Kind;

const Endpoint kA4 = at("192.168.127.2:5000");
const Endpoint kB4 = at("203.0.113.7:80");
const Endpoint kC4 = at("198.51.100.1:61234");
const Endpoint kA6 = at("[fd00:1::2]:5000");
const Endpoint kB6 = at("[2001:db8::7]:80");
const Endpoint kC6 = at("[2001:db8:1::1]:61234");

struct Family {
  Endpoint a;
  Endpoint b;
  Endpoint c;  ///< what takes the place of one of them
};
const Family kFamilies[] = {{kA4, kB4, kC4}, {kA6, kB6, kC6}};

PacketEditor edit(Bytes& packet) { return PacketEditor::parse(packet).value(); }
ParseError error_of(Bytes packet) {
  const auto editor = PacketEditor::parse(packet);
  EXPECT_FALSE(editor);
  return editor ? ParseError{} : editor.error();
}
Endpoint source_of(const PacketEditor& editor) { return {editor.source(), editor.source_port()}; }
Endpoint destination_of(const PacketEditor& editor) { return {editor.destination(), editor.destination_port()}; }

TEST(PacketEditor, ChangesEndsAndTheirChecksums) {
  for (const auto& [a, b, c] : kFamilies) {
    for (const Bytes& original : {udp(a, b), tcp(a, b, kSyn, "data"), tcp(a, b, kAck)}) {
      Bytes packet = original;
      PacketEditor editor = edit(packet);
      EXPECT_EQ(source_of(editor), a);
      EXPECT_EQ(destination_of(editor), b);
      EXPECT_EQ(editor.is_v4(), is_v4(a.address));
      editor.set_source(c.address, c.port);
      EXPECT_EQ(source_of(editor), c);
      EXPECT_EQ(destination_of(editor), b);
      EXPECT_TRUE(sums_ok(packet));
      editor.set_destination(a.address, a.port);
      EXPECT_EQ(destination_of(editor), a);
      EXPECT_TRUE(sums_ok(packet));
      editor.set_source(a.address, a.port);
      editor.set_destination(b.address, b.port);
      EXPECT_EQ(packet, original);
    }
  }
}

TEST(PacketEditor, AnEchoHasItsIdentifierForPorts) {
  for (const auto& [a, b, c] : kFamilies) {
    Bytes packet = echo(a, b.address);
    PacketEditor editor = edit(packet);
    EXPECT_EQ(editor.kind(), Kind::query);
    EXPECT_EQ(editor.source_port(), a.port);
    EXPECT_EQ(editor.destination_port(), a.port);
    editor.set_source(c.address, c.port);
    EXPECT_EQ(packet, echo(c, b.address));
    Bytes reply = echo_reply(b.address, c);
    editor = edit(reply);
    EXPECT_EQ(editor.kind(), Kind::query);
    editor.set_destination(a.address, a.port);
    EXPECT_EQ(reply, echo_reply(b.address, a));
  }
}

TEST(PacketEditor, NoChecksumStaysNoneAndZeroIsWrittenAsOnes) {
  // RFC 768: a sum of 0 is sent as 0xffff, because 0 says that there is none.
  Bytes packet = udp(kA4, kB4);
  wire::set16(packet, 26, 0);
  PacketEditor editor = edit(packet);
  editor.set_source(kC4.address, kC4.port);
  EXPECT_EQ(load_be<std::uint16_t>(packet.data() + 26), 0);
  EXPECT_TRUE(sums_ok(packet));
  for (const auto& [a, b, c] : kFamilies) {
    const std::size_t at = is_v4(a.address) ? 26 : 46;
    bool ones = false;
    for (std::uint32_t port = 0; port <= 0xffff; ++port) {
      Bytes each = udp(a, b);
      edit(each).set_source(c.address, static_cast<std::uint16_t>(port));
      const auto sum = load_be<std::uint16_t>(each.data() + at);
      ASSERT_NE(sum, 0);
      if (sum == 0xffff) ones = true;
      ASSERT_TRUE((sum != 0xffff && port % 4096 != 0) || sums_ok(each)) << port;
    }
    EXPECT_TRUE(ones);
  }
}

TEST(PacketEditor, EveryIdentifierHasTheChecksumOfAFullComputation) {
  // Among them the one that makes an echo reply all zeros.
  for (const std::string_view payload : {"", "x"}) {
    Bytes packet = icmp(kA4.address, kB4.address, 0, 0, Bytes{0xff, 0xff, 0, 0});
    if (!payload.empty()) packet = echo_reply(kA4.address, kB4, payload);
    for (std::uint32_t id = 0; id <= 0xffff; id += payload.empty() ? 1U : 97U) {
      edit(packet).set_destination(kB4.address, static_cast<std::uint16_t>(id));
      Bytes message(packet.begin() + 20, packet.end());
      wire::set16(message, 2, 0);
      ASSERT_EQ(load_be<std::uint16_t>(packet.data() + 22), wire::slow_checksum(message)) << id;
    }
  }
}

TEST(PacketEditor, WhatCameDamagedLeavesDamaged) {
  for (const auto& [a, b, c] : kFamilies) {
    for (Bytes packet : {udp(a, b), tcp(a, b, kAck, "data")}) {
      packet.back() ^= 1;
      edit(packet).set_source(c.address, c.port);
      EXPECT_FALSE(sums_ok(packet));
      edit(packet).set_source(a.address, a.port);
      packet.back() ^= 1;
      EXPECT_TRUE(sums_ok(packet));
    }
  }
}

TEST(PacketEditor, HopsCountDown) {
  for (const auto& [a, b, c] : kFamilies) {
    Bytes packet = udp(a, b);
    for (std::uint8_t hops = 64; hops > 0; --hops) {
      PacketEditor editor = edit(packet);
      EXPECT_EQ(editor.hops(), hops);
      editor.decrement_hops();
      EXPECT_EQ(editor.hops(), hops - 1);
      ASSERT_TRUE(sums_ok(packet));
    }
  }
}

TEST(PacketEditor, Rfc5508Req3WrongIcmpChecksumsAreRefused) {
  for (const auto& [a, b, c] : kFamilies) {
    for (Bytes packet : {echo(a, b.address), echo_reply(a.address, b), unreachable(a.address, b.address, udp(b, a))}) {
      packet.back() ^= 1;
      EXPECT_EQ(error_of(packet), ParseError::bad_checksum);
    }
  }
}

TEST(PacketEditor, WhatContradictsItselfIsRefused) {
  Bytes fragment = udp(kA4, kB4);
  wire::set16(fragment, 6, 0x2000);
  wire::set16(fragment, 10, 0);
  wire::set16(fragment, 10, wire::slow_checksum(ByteView{fragment}.first(20)));
  EXPECT_EQ(error_of(fragment), ParseError::bad_field);
  EXPECT_EQ(error_of(ip(kA6.address, kB6.address, 44, Bytes{17, 0, 0, 1, 0, 0, 0, 1})), ParseError::bad_field);
  EXPECT_EQ(error_of({}), ParseError::truncated);
  EXPECT_EQ(error_of(ip(kA4.address, kB4.address, 6, Bytes(19))), ParseError::truncated);
  EXPECT_EQ(error_of(ip(kA4.address, kB4.address, 17, Bytes(7))), ParseError::truncated);
  EXPECT_EQ(error_of(ip(kA4.address, kB4.address, 17, Bytes(8))), ParseError::bad_length);
  EXPECT_EQ(error_of(ip(kA4.address, kB4.address, 1, Bytes(7))), ParseError::truncated);
  Bytes longer = udp(kA4, kB4);
  wire::set16(longer, 24, 100);
  EXPECT_EQ(error_of(longer), ParseError::truncated);
  for (const Bytes& whole :
       {udp(kA4, kB4), tcp(kA6, kB6, kSyn), unreachable(kA4.address, kB4.address, udp(kB4, kA4))}) {
    for (std::size_t size = 0; size < whole.size(); ++size) {
      error_of({whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)});
    }
  }
}

TEST(PacketEditor, WhatStandsBehindThePacketIsNotTouched) {
  Bytes packet = udp(kA4, kB4);
  const std::size_t size = packet.size();
  packet.insert(packet.end(), 20, 0xee);
  PacketEditor editor = edit(packet);
  EXPECT_EQ(editor.bytes().size(), size);
  editor.set_source(kC4.address, kC4.port);
  EXPECT_TRUE(sums_ok(ByteView{packet}.first(size)));
  EXPECT_EQ(packet.back(), 0xee);
}

TEST(PacketEditor, OptionsAndExtensionHeadersAreSkipped) {
  Bytes v4 = udp(kA4, kB4);
  const Bytes no_operations(8, 1);
  v4.insert(v4.begin() + 20, no_operations.begin(), no_operations.end());
  v4[0] = 0x47;
  wire::set16(v4, 2, static_cast<std::uint16_t>(v4.size()));
  wire::set16(v4, 10, 0);
  wire::set16(v4, 10, wire::slow_checksum(ByteView{v4}.first(28)));
  Bytes v6 = udp(kA6, kB6);
  const Bytes options{60, 0, 1, 4, 0, 0, 0, 0, 17, 1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
  v6.insert(v6.begin() + 40, options.begin(), options.end());
  v6[6] = 0;
  wire::set16(v6, 4, static_cast<std::uint16_t>(v6.size() - 40));
  for (auto& [packet, to] : {std::pair{&v4, kC4}, std::pair{&v6, kC6}}) {
    ASSERT_TRUE(sums_ok(*packet));
    PacketEditor editor = edit(*packet);
    EXPECT_EQ(editor.kind(), Kind::udp);
    EXPECT_EQ(editor.source_port(), 5000);
    editor.set_source(to.address, to.port);
    EXPECT_TRUE(sums_ok(*packet));
  }
}

TEST(PacketEditor, APacketWithStopsToComeIsOther) {
  // RFC 8200, 8.1: its checksum is over the last destination, which is in the routing header.
  Bytes packet = udp(kA6, kB6);
  const Bytes routing{17, 0, 4, 1, 0, 0, 0, 0};
  packet.insert(packet.begin() + 40, routing.begin(), routing.end());
  packet[6] = 43;
  wire::set16(packet, 4, static_cast<std::uint16_t>(packet.size() - 40));
  PacketEditor editor = edit(packet);
  EXPECT_EQ(editor.kind(), Kind::other);
  EXPECT_EQ(editor.protocol(), 43);
  EXPECT_EQ(editor.source_port(), 0);
  packet[43] = 0;  // no stops to come
  editor = edit(packet);
  EXPECT_EQ(editor.kind(), Kind::udp);
}

TEST(PacketEditor, OtherProtocolsHaveAddressesOnly) {
  for (const auto& [a, b, c] : kFamilies) {
    Bytes gre = ip(a.address, b.address, 47, Bytes(4));
    PacketEditor editor = edit(gre);
    EXPECT_EQ(editor.kind(), Kind::other);
    EXPECT_EQ(editor.protocol(), 47);
    editor.set_source(c.address, 99);
    EXPECT_EQ(gre, ip(c.address, b.address, 47, Bytes(4)));
  }
  Bytes empty = ip(kA4.address, kB4.address, 47, {});
  EXPECT_EQ(edit(empty).kind(), Kind::other);
  Bytes solicitation = icmp(kA6.address, kB6.address, 135, 0, Bytes(20));
  PacketEditor editor = edit(solicitation);
  EXPECT_EQ(editor.kind(), Kind::other);
  editor.set_destination(kC6.address, 0);
  EXPECT_TRUE(sums_ok(solicitation));
}

// Errors.

TEST(PacketEditor, AnErrorIsKnownByItsType) {
  for (unsigned type = 0; type < 256; ++type) {
    Bytes v4 = icmp(kA4.address, kB4.address, static_cast<std::uint8_t>(type), 0, Bytes(4));
    const bool error4 = type == 3 || type == 4 || type == 11 || type == 12;
    const bool query4 = type == 0 || type == 8 || type == 13 || type == 14;
    EXPECT_EQ(edit(v4).kind(), error4 ? Kind::icmp_error : query4 ? Kind::query : Kind::other) << type;
    Bytes v6 = icmp(kA6.address, kB6.address, static_cast<std::uint8_t>(type), 0, Bytes(4));
    const bool error6 = type >= 1 && type <= 4;
    const bool echo6 = type == 128 || type == 129;
    EXPECT_EQ(edit(v6).kind(), error6 ? Kind::icmp_error : echo6 ? Kind::query : Kind::other) << type;
  }
}

TEST(PacketEditor, TheQuotedPacketChangesWithItsChecksumsAndTheErrors) {
  for (const auto& [a, b, c] : kFamilies) {
    const auto same = [&](const Endpoint& from, const Endpoint& to) {
      return std::vector{udp(from, to), tcp(from, to, kAck, "data"), echo(from, to.address)};
    };
    for (std::size_t i = 0; i < 3; ++i) {
      Bytes packet = unreachable(b.address, a.address, same(a, b)[i]);
      PacketEditor editor = edit(packet);
      EXPECT_EQ(editor.kind(), Kind::icmp_error);
      EXPECT_EQ(editor.source_port(), 0);
      EXPECT_EQ(editor.quoted_source(), a.address);
      EXPECT_EQ(editor.quoted_destination(), b.address);
      EXPECT_EQ(editor.quoted_source_port(), a.port);
      editor.set_quoted_source(c.address, c.port);
      editor.set_destination(c.address, 0);
      EXPECT_EQ(packet, unreachable(b.address, c.address, same(c, b)[i]));
      if (i == 2) continue;  // the identifier is one and the same
      editor.set_quoted_destination(a.address, a.port);
      EXPECT_EQ(packet, unreachable(b.address, c.address, same(c, a)[i]));
    }
  }
}

TEST(PacketEditor, AQuoteMayEndAnywhere) {
  for (const auto& [a, b, c] : kFamilies) {
    const std::size_t header = is_v4(a.address) ? 20 : 40;
    const auto quotes = [](const Endpoint& from, const Endpoint& to) {
      return std::vector{udp(from, to), tcp(from, to, kAck, "data"), echo(from, to.address)};
    };
    for (std::size_t i = 0; i < 3; ++i) {
      const Bytes quote = quotes(a, b)[i];
      const Bytes wanted = quotes(c, b)[i];
      for (std::size_t size = 0; size <= quote.size(); ++size) {
        Bytes packet = unreachable(b.address, a.address, ByteView{quote}.first(size));
        PacketEditor editor = edit(packet);
        EXPECT_EQ(editor.quoted_kind() == Kind::other, size < header + 8) << size;
        editor.set_quoted_source(c.address, c.port);
        if (size >= header + 8 && size != header + 17) {  // half a checksum stays as it is
          EXPECT_EQ(packet, unreachable(b.address, a.address, ByteView{wanted}.first(size))) << size;
        }
        EXPECT_TRUE(PacketEditor::parse(packet)) << size;  // whose checksum is right
        const IpAddress none = is_v4(a.address) ? at("0.0.0.0").address : at("::").address;
        EXPECT_EQ(editor.quoted_source(), size >= header ? c.address : none);
      }
    }
  }
}

TEST(PacketEditor, WhatAQuoteCannotTellIsOther) {
  const auto kind_of = [](const IpAddress& to, const Bytes& quote) {
    Bytes packet = unreachable(to, to, quote);
    PacketEditor editor = edit(packet);
    editor.set_quoted_source(to, 1);
    editor.set_quoted_destination(to, 1);
    EXPECT_TRUE(PacketEditor::parse(packet));
    return editor.quoted_kind();
  };
  Bytes later = udp(kA4, kB4);
  wire::set16(later, 6, 0x2001);
  EXPECT_EQ(kind_of(kA4.address, later), Kind::other);
  wire::set16(later, 6, 0x2000);
  EXPECT_EQ(kind_of(kA4.address, later), Kind::udp);
  EXPECT_EQ(kind_of(kA4.address, udp(kA6, kB6)), Kind::other);
  EXPECT_EQ(kind_of(kA6.address, udp(kA4, kB4)), Kind::other);
  EXPECT_EQ(kind_of(kA4.address, unreachable(kA4.address, kB4.address, udp(kB4, kA4))), Kind::icmp_error);
  EXPECT_EQ(kind_of(kA6.address, unreachable(kA6.address, kB6.address, udp(kB6, kA6))), Kind::icmp_error);
  EXPECT_EQ(kind_of(kA4.address, ip(kA4.address, kB4.address, 47, Bytes(20))), Kind::other);
  Bytes header = udp(kA4, kB4);
  for (unsigned words = 0; words < 16; ++words) {
    header[0] = static_cast<std::uint8_t>(0x40U | words);
    EXPECT_EQ(kind_of(kA4.address, header), words == 5 || words == 6 ? Kind::udp : Kind::other) << words;
  }
  const auto behind = [](std::uint8_t next, const Bytes& extension) {
    Bytes packet = udp(kA6, kB6);
    packet[6] = next;
    packet.insert(packet.begin() + 40, extension.begin(), extension.end());
    return packet;
  };
  EXPECT_EQ(kind_of(kA6.address, behind(60, {17, 0, 1, 4, 0, 0, 0, 0})), Kind::udp);
  EXPECT_EQ(kind_of(kA6.address, behind(60, {17, 200, 1, 4, 0, 0, 0, 0})), Kind::other);
  EXPECT_EQ(kind_of(kA6.address, behind(44, {17, 0, 0, 1, 0, 0, 0, 1})), Kind::udp);
  EXPECT_EQ(kind_of(kA6.address, behind(44, {17, 0, 0, 8, 0, 0, 0, 1})), Kind::other);
  EXPECT_EQ(kind_of(kA6.address, behind(43, {17, 0, 4, 1, 0, 0, 0, 0})), Kind::other);
}

TEST(PacketEditor, WithoutChecksumInTheQuoteThereIsNoneAfterwards) {
  Bytes quote = udp(kA4, kB4);
  wire::set16(quote, 26, 0);
  Bytes packet = unreachable(kB4.address, kA4.address, quote);
  edit(packet).set_quoted_source(kC4.address, kC4.port);
  EXPECT_EQ(load_be<std::uint16_t>(packet.data() + 28 + 26), 0);
  EXPECT_TRUE(sums_ok(packet));
}

TEST(PacketEditor, ARandomWalkKeepsAllChecksumsRight) {
  Random random{11};
  for (const auto& [a, b, c] : kFamilies) {
    std::vector<Bytes> packets{udp(a, b), tcp(a, b, kAck, "odd"), echo(a, b.address),
                               unreachable(b.address, a.address, udp(a, b)),
                               unreachable(b.address, a.address, tcp(a, b, kAck, "odd"))};
    for (int step = 0; step < 20'000; ++step) {
      Bytes& packet = packets[random.below(5)];
      PacketEditor editor = edit(packet);
      Endpoint to{Ipv4Address{static_cast<std::uint32_t>(random.next())}, static_cast<std::uint16_t>(random.next())};
      if (!editor.is_v4()) {
        std::array<std::uint8_t, 16> octets{};
        store_be(octets.data(), random.next());
        store_be(octets.data() + 8, random.next());
        to.address = Ipv6Address{octets};
      }
      switch (random.below(4)) {
        case 0: editor.set_source(to.address, to.port); break;
        case 1: editor.set_destination(to.address, to.port); break;
        case 2: editor.set_quoted_source(to.address, to.port); break;
        default: editor.set_quoted_destination(to.address, to.port); break;
      }
      ASSERT_TRUE(sums_ok(packet)) << step;
    }
  }
}

}  // namespace
}  // namespace vnet
