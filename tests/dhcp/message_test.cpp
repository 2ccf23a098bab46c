// Reading and writing DHCP messages: golden bytes, options in pieces and in borrowed fields, and lies about lengths.
#include "dhcp/message.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/dhcp/client.hpp"

namespace vnet::dhcp {
namespace {

using test::Bytes;
using test::Packet;
using ::testing::Each;
using ::testing::ElementsAre;

Bytes to_bytes(std::optional<ByteView> view) { return view ? Bytes(view->begin(), view->end()) : Bytes{0xde, 0xad}; }

Bytes with_options(const Bytes& options) {
  Packet packet;
  packet.options = options;
  return packet.bytes();
}

/// A DISCOVER made by libtins 4.4: 52:cc:cc:cc:cc:01, xid 0x3903f326, asks for 192.168.1.150, calls itself "alice".
Bytes libtins_discover() {
  Bytes bytes = {0x01, 0x01, 0x06, 0x00, 0x39, 0x03, 0xf3, 0x26};
  bytes.resize(28);
  bytes.insert(bytes.end(), {0x52, 0xcc, 0xcc, 0xcc, 0xcc, 0x01});
  bytes.resize(Header::kSize);
  bytes.insert(bytes.end(), {0x63, 0x82, 0x53, 0x63, 0x35, 0x01, 0x01, 0x32, 0x04, 0xc0, 0xa8, 0x01, 0x96, 0x0c,
                             0x05, 0x61, 0x6c, 0x69, 0x63, 0x65, 0x37, 0x08, 0x01, 0x03, 0x06, 0x0c, 0x0f, 0x1a,
                             0x77, 0x79, 0x3d, 0x07, 0x01, 0x52, 0xcc, 0xcc, 0xcc, 0xcc, 0x01, 0xff, 0x00});
  return bytes;
}

TEST(DhcpMessage, ReadsWhatLibtinsWrites) {
  const Bytes bytes = libtins_discover();
  const auto message = Message::parse(bytes);
  ASSERT_TRUE(message);
  EXPECT_EQ(message->header().op, 1);
  EXPECT_EQ(message->header().htype, 1);
  EXPECT_EQ(message->header().hlen, 6);
  EXPECT_EQ(message->header().xid, 0x3903f326U);
  EXPECT_EQ(message->header().mac().to_string(), "52:cc:cc:cc:cc:01");
  EXPECT_EQ(message->u8(option::kMessageType), 1);
  EXPECT_EQ(message->address(option::kRequestedAddress)->to_string(), "192.168.1.150");
  EXPECT_EQ(as_text(*message->option(option::kHostName)), "alice");
  EXPECT_THAT(to_bytes(message->option(option::kParameterRequestList)), ElementsAre(1, 3, 6, 12, 15, 26, 119, 121));
  EXPECT_THAT(to_bytes(message->option(option::kClientIdentifier)), ElementsAre(1, 0x52, 0xcc, 0xcc, 0xcc, 0xcc, 1));
  EXPECT_FALSE(message->option(option::kLeaseTime));
}

TEST(DhcpMessage, ReadsEveryFixedField) {
  Bytes bytes = with_options({53, 1, 3});
  for (std::size_t i = 0; i < 44; ++i) bytes[i] = static_cast<std::uint8_t>(i + 1);
  const auto message = Message::parse(bytes);
  ASSERT_TRUE(message);
  const Header& header = message->header();
  EXPECT_EQ(header.hops, 4);
  EXPECT_EQ(header.xid, 0x05060708U);
  EXPECT_EQ(header.secs, 0x090a);
  EXPECT_EQ(header.flags, 0x0b0c);
  EXPECT_EQ(header.ciaddr.to_u32(), 0x0d0e0f10U);
  EXPECT_EQ(header.yiaddr.to_u32(), 0x11121314U);
  EXPECT_EQ(header.siaddr.to_u32(), 0x15161718U);
  EXPECT_EQ(header.giaddr.to_u32(), 0x191a1b1cU);
  EXPECT_EQ(header.chaddr.front(), 0x1d);
  EXPECT_EQ(header.chaddr.back(), 0x2c);
}

TEST(DhcpMessage, RefusesEveryShorterPrefixOfAHeader) {
  const Bytes bytes = with_options({53, 1, 1});
  for (std::size_t size = 0; size < Message::kMinSize; ++size) {
    const auto message = Message::parse(ByteView{bytes}.first(size));
    ASSERT_FALSE(message) << size;
    EXPECT_EQ(message.error(), ParseError::truncated) << size;
  }
  EXPECT_TRUE(Message::parse(ByteView{bytes}.first(Message::kMinSize)));
}

TEST(DhcpMessage, RefusesBootpWithoutTheMagicCookie) {
  Bytes bytes = with_options({53, 1, 1});
  bytes[Header::kSize] ^= 1;
  EXPECT_EQ(Message::parse(bytes).error(), ParseError::bad_version);
}

TEST(DhcpMessage, RefusesOptionsThatRunOver) {
  Bytes bytes = with_options({53, 1, 1, 12, 3, 'a', 'b'});  // the third byte would be END
  bytes.pop_back();
  EXPECT_EQ(Message::parse(bytes).error(), ParseError::bad_length);
  bytes.resize(bytes.size() - 3);  // option 12 without a length
  EXPECT_EQ(Message::parse(bytes).error(), ParseError::truncated);
  bytes.pop_back();
  EXPECT_TRUE(Message::parse(bytes)) << "a missing END is tolerated";
}

TEST(DhcpMessage, IgnoresWhatStandsBehindEnd) {
  Bytes bytes = with_options({0, 0, 53, 1, 1});
  bytes.insert(bytes.end(), {12, 200, 1});
  const auto message = Message::parse(bytes);
  ASSERT_TRUE(message);
  EXPECT_EQ(message->u8(53), 1);
  EXPECT_FALSE(message->option(12));
}

TEST(DhcpMessage, RefusesFixedSizeOptionsOfAnotherSize) {
  for (const Bytes& options : {Bytes{53, 0}, Bytes{53, 2, 1, 1}, Bytes{50, 3, 1, 2, 3}, Bytes{51, 5, 1, 2, 3, 4, 5},
                               Bytes{54, 0}, Bytes{57, 1, 9}, Bytes{53, 1, 1, 53, 1, 1}}) {
    const auto message = Message::parse(with_options(options));
    ASSERT_FALSE(message) << ::testing::PrintToString(options);
    EXPECT_EQ(message.error(), ParseError::bad_length);
  }
}

TEST(Rfc3396, PiecesOfOneOptionAreJoinedInOrder) {
  const Bytes bytes = with_options({12, 2, 'a', 'l', 53, 1, 1, 12, 0, 12, 3, 'i', 'c', 'e', 61, 1, 7, 61, 1, 8});
  const auto message = Message::parse(bytes);
  ASSERT_TRUE(message);
  EXPECT_EQ(as_text(*message->option(12)), "alice");
  EXPECT_THAT(to_bytes(message->option(61)), ElementsAre(7, 8));
  EXPECT_EQ(message->u8(53), 1);
  const Message copy = *message;
  EXPECT_EQ(as_text(*copy.option(12)), "alice");
}

TEST(Rfc3396, PiecesAreJoinedOverTheOptionsFileAndSnameFields) {
  Bytes bytes = with_options({12, 1, 'a', 52, 1, 3});
  const Bytes in_file = {12, 1, 'b', 15, 1, 'x', 255, 12, 200};
  const Bytes in_sname = {12, 1, 'c', 255};
  std::ranges::copy(in_file, bytes.begin() + 108);
  std::ranges::copy(in_sname, bytes.begin() + 44);
  const auto message = Message::parse(bytes);
  ASSERT_TRUE(message);
  EXPECT_EQ(as_text(*message->option(12)), "abc");
  EXPECT_EQ(as_text(*message->option(15)), "x");
}

TEST(Rfc2132, OverloadSaysWhichFieldsHoldOptions) {
  Bytes bytes = with_options({53, 1, 1});
  bytes[108] = 12;  // a file name that looks like an option which runs over
  bytes[109] = 200;
  EXPECT_TRUE(Message::parse(bytes)) << "without option 52 the field is a name";
  for (const std::uint8_t overload : Bytes{1, 2, 3}) {
    bytes = with_options({53, 1, 1, 52, 1, overload});
    bytes[108] = 12;
    bytes[109] = 200;
    EXPECT_EQ(Message::parse(bytes).has_value(), overload == 2);
  }
  EXPECT_EQ(Message::parse(with_options({52, 1, 0})).error(), ParseError::bad_field);
  EXPECT_EQ(Message::parse(with_options({52, 1, 4})).error(), ParseError::bad_field);
  EXPECT_EQ(Message::parse(with_options({52, 2, 1, 1})).error(), ParseError::bad_length);
  EXPECT_EQ(Message::parse(with_options({52, 1, 1, 52, 1, 1})).error(), ParseError::bad_length);
}

TEST(DhcpMessage, ReadsTheLargestMessageWithoutOverflow) {
  Bytes options;
  for (int i = 0; i < 253; ++i) {
    options.insert(options.end(), {43, 255});
    options.insert(options.end(), 255, static_cast<std::uint8_t>(i));
  }
  const Bytes bytes = with_options(options);
  ASSERT_LE(bytes.size(), Message::kMaxSize);
  const auto message = Message::parse(bytes);
  ASSERT_TRUE(message);
  EXPECT_EQ(message->option(43)->size(), 253U * 255U);
  EXPECT_EQ(message->option(43)->back(), 252);
  EXPECT_EQ(Message::parse(Bytes(Message::kMaxSize + 1)).error(), ParseError::bad_length);
}

Header reply_header() {
  Header header;
  header.op = Header::kBootReply;
  header.xid = 0x01020304;
  header.flags = Header::kBroadcastFlag;
  header.yiaddr = Ipv4Address{192, 168, 1, 100};
  header.set_mac(test::mac(1));
  return header;
}

TEST(DhcpMessageWriter, WritesEveryByteOfAPaddedMessage) {
  Bytes out(400, 0xa5);
  MessageWriter writer(out, 548, reply_header());
  EXPECT_TRUE(writer.add_u8(53, 2));
  EXPECT_TRUE(writer.add_address(54, Ipv4Address{192, 168, 1, 1}));
  ASSERT_EQ(writer.finish(), MessageWriter::kMinSize);

  Bytes expected = {2, 1, 6, 0, 1, 2, 3, 4, 0, 0, 0x80, 0, 0, 0, 0, 0, 192, 168, 1, 100};
  expected.resize(28);
  expected.insert(expected.end(), {0x52, 0xcc, 0xcc, 0xcc, 0, 1});
  expected.resize(Header::kSize);
  expected.insert(expected.end(), {0x63, 0x82, 0x53, 0x63, 53, 1, 2, 54, 4, 192, 168, 1, 1, 255});
  expected.resize(MessageWriter::kMinSize);
  EXPECT_EQ(Bytes(out.begin(), out.begin() + 300), expected);
  EXPECT_THAT(Bytes(out.begin() + 300, out.end()), Each(0xa5)) << "wrote behind the message";
}

TEST(DhcpMessageWriter, NeverWritesMoreThanTheLimit) {
  Bytes out(600, 0xa5);
  MessageWriter writer(out, 350, reply_header());
  for (int i = 0; i < 100; ++i) writer.add(43, Bytes(9, 1));
  const std::size_t size = writer.finish();
  EXPECT_LE(size, 350U);
  EXPECT_THAT(Bytes(out.begin() + static_cast<std::ptrdiff_t>(size), out.end()), Each(0xa5));
  EXPECT_TRUE(Message::parse(ByteView{out}.first(size)));
}

TEST(Rfc2132, WriterBorrowsFileAndSnameWhenTheOptionsFieldIsFull) {
  Bytes out(300, 0xa5);  // 60 bytes of options, of which END and option 52 take 4
  MessageWriter writer(out, 300, reply_header());
  EXPECT_TRUE(writer.add(15, Bytes(54, 'a')));
  EXPECT_TRUE(writer.add(17, Bytes(125, 'b'))) << "all of file";
  EXPECT_TRUE(writer.add(18, Bytes(61, 'c'))) << "all of sname";
  EXPECT_FALSE(writer.add(19, Bytes{1}));
  ASSERT_EQ(writer.finish(), 300U);
  const auto message = Message::parse(out);
  ASSERT_TRUE(message);
  EXPECT_EQ(message->u8(option::kOverload), 3);
  EXPECT_EQ(to_bytes(message->option(15)), Bytes(54, 'a'));
  EXPECT_EQ(to_bytes(message->option(17)), Bytes(125, 'b'));
  EXPECT_EQ(to_bytes(message->option(18)), Bytes(61, 'c'));
  EXPECT_FALSE(message->option(19));
}

TEST(Rfc2132, WriterClosesBorrowedFieldsWithEndAndPadding) {
  Bytes out(300, 0xa5);
  MessageWriter writer(out, 300, reply_header());
  writer.add(15, Bytes(54, 'a'));
  writer.add(17, Bytes{'b'});
  ASSERT_EQ(writer.finish(), 300U);
  EXPECT_EQ(Message::parse(out)->u8(option::kOverload), 1);
  EXPECT_THAT(Bytes(out.begin() + 108, out.begin() + 112), ElementsAre(17, 1, 'b', 255));
  EXPECT_THAT(Bytes(out.begin() + 112, out.begin() + 236), Each(0));
  EXPECT_THAT(Bytes(out.begin() + 44, out.begin() + 108), Each(0)) << "sname is not used";
}

TEST(Rfc3396, WriterCutsLongOptions) {
  Bytes value(600);
  for (std::size_t i = 0; i < value.size(); ++i) value[i] = static_cast<std::uint8_t>(i);
  Bytes out(1472, 0xa5);
  MessageWriter writer(out, 1472, reply_header());
  ASSERT_TRUE(writer.add(121, value));
  ASSERT_TRUE(writer.add(80, {}));
  const std::size_t size = writer.finish();
  EXPECT_EQ(size, Message::kMinSize + 600 + 6 + 2 + 1);
  const auto message = Message::parse(ByteView{out}.first(size));
  ASSERT_TRUE(message);
  EXPECT_EQ(to_bytes(message->option(121)), value);
  EXPECT_EQ(message->option(80)->size(), 0U);
}

TEST(DhcpMessageWriter, WritesNothingOfAnOptionThatDoesNotFit) {
  Bytes out(300, 0xa5);
  MessageWriter writer(out, 300, reply_header());
  EXPECT_FALSE(writer.add(121, Bytes(300, 1)));
  EXPECT_TRUE(writer.add_u8(53, 5)) << "a smaller one still fits";
  ASSERT_EQ(writer.finish(), 300U);
  const auto message = Message::parse(out);
  ASSERT_TRUE(message);
  EXPECT_FALSE(message->option(121));
  EXPECT_FALSE(message->option(52));
}

}  // namespace
}  // namespace vnet::dhcp
