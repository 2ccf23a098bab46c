#include <gmock/gmock.h>

#include <cstdlib>
#include <ctime>

#include "adapter/control.hpp"
#include "adapter/event_text.hpp"
#include "adapter/json.hpp"
#include "adapter/pcapng_counter.hpp"
#include "adapter/printable.hpp"
#include "adapter/table.hpp"
#include "adapter/units.hpp"

namespace vnet::adapter {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class InUtc : public ::testing::Test {
 protected:
  InUtc() {
    ::setenv("TZ", "UTC0", 1);
    ::tzset();
  }
};

TEST(Printable, WhatHasAPictureStays) {
  for (const char* text : {"", "alice", "a b\\c", "Müller", "日本", "🙂"}) EXPECT_EQ(printable(text), text);
}

TEST(Printable, WhatATerminalWouldObeyIsEscaped) {
  EXPECT_EQ(printable("\x1b]0;owned\x07"), "\\x1b]0;owned\\x07");
  EXPECT_EQ(printable("a\nb\tc\rd\x7f"), "a\\x0ab\\x09c\\x0dd\\x7f");
  EXPECT_EQ(printable(std::string_view{"\0", 1}), "\\x00");
  EXPECT_EQ(printable("\xc2\x9b"
                      "31m"),
            "\\u{9b}31m")
      << "the one-character form of CSI";
  EXPECT_EQ(printable("\x9b"), "\\x9b") << "the same, as Latin-1";
  EXPECT_EQ(printable("\xe2\x80\xae"
                      "evil"),
            "\\u{202e}evil");
  EXPECT_EQ(printable("\xe2\x80\x8b"), "\\u{200b}");
}

TEST(Printable, BytesThatAreNoUtf8AreShownAsBytes) {
  EXPECT_EQ(printable("\xff"), "\\xff");
  EXPECT_EQ(printable("\xc3"), "\\xc3") << "cut";
  EXPECT_EQ(printable("\xc0\xaf"), "\\xc0\\xaf") << "overlong";
  EXPECT_EQ(printable("\xed\xa0\x80"), "\\xed\\xa0\\x80") << "a surrogate";
  EXPECT_EQ(printable("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80") << "beyond Unicode";
}

TEST(Printable, TextOfSeveralLinesKeepsThem) { EXPECT_EQ(printable_lines("a\n\tb\x1b"), "a\n\tb\\x1b"); }

TEST(Clip, CutsAtTheEdgeAndEndsColours) {
  EXPECT_EQ(clip("abc", 3), "abc");
  EXPECT_EQ(clip("abcd", 3), "abc");
  EXPECT_EQ(clip("äöü", 2), "äö");
  EXPECT_EQ(clip("\x1b[1mabcd\x1b[0m", 2), "\x1b[1mab\x1b[0m");
  EXPECT_EQ(display_width("\x1b[31mab\x1b[0mc"), 3U);
}

TEST(Units, SiHasThreeDigits) {
  EXPECT_EQ(si(0, "B"), "0 B");
  EXPECT_EQ(si(999, "B"), "999 B");
  EXPECT_EQ(si(999.6, "B"), "1.00 kB");
  EXPECT_EQ(si(1234, "B"), "1.23 kB");
  EXPECT_EQ(si(12345, "bit/s"), "12.3 kbit/s");
  EXPECT_EQ(si(999499, "B"), "999 kB");
  EXPECT_EQ(si(999500, "B"), "1.00 MB");
  EXPECT_EQ(si(1.5e9, ""), "1.50 G");
  EXPECT_EQ(bytes(18446744073709551615U), "18.4 EB");
}

TEST(Units, DurationsHaveTwoUnits) {
  EXPECT_EQ(duration(0), "0 s");
  EXPECT_EQ(duration(59), "59 s");
  EXPECT_EQ(duration(60), "1 min");
  EXPECT_EQ(duration(3599), "59 min 59 s");
  EXPECT_EQ(duration(90061), "1 d 1 h");
}

TEST_F(InUtc, TimesAreLocal) {
  EXPECT_EQ(local_time("2026-11-22T17:06:37Z"), "2026-11-22 17:06:37");
  EXPECT_EQ(local_time("2026-11-22T17:06:37.1239Z", Precision::milliseconds), "2026-11-22 17:06:37.123");
  EXPECT_EQ(local_time("2026-11-22T17:06:37.5Z", Precision::milliseconds), "2026-11-22 17:06:37.500");
  EXPECT_EQ(local_time("2026-11-22T01:06:37+02:30"), "2026-11-21 22:36:37");
}

TEST(Units, ATimeThatIsNoneIsShownAsItCame) {
  for (const char* text :
       {"", "yesterday", "2026-11-22", "2026-11-22T17:06:37", "2026-11-22T17:06:37+1", "2026/11/22T17:06:37Z"}) {
    EXPECT_EQ(local_time(text), text);
  }
  EXPECT_EQ(local_time("\x1b[2J"), "\\x1b[2J");
}

TEST(Table, AlignsAndFillsGaps) {
  Table table{{{"NAME"}, {"BYTES", Align::right}, {"NOTE"}}};
  table.add({"alice", "5", ""});
  table.add({"ü", "12345678", "x"});
  EXPECT_EQ(table.to_string({}),
            "NAME      BYTES  NOTE\n"
            "alice         5  -\n"
            "ü      12345678  x\n");
}

TEST(Table, ColoursDoNotDisturbTheColumns) {
  Table table{{{"A", Align::right}, {"B"}}};
  table.add({{"1", Tone::bad}, "b"});
  EXPECT_EQ(table.to_string({true}), "\x1b[1mA\x1b[0m  \x1b[1mB\x1b[0m\n\x1b[31m1\x1b[0m  b\n");
}

TEST(Table, NoCellReachesTheTerminalRaw) {
  Table table{{{"A"}}};
  table.add({"\x1b[2J\n"});
  EXPECT_EQ(table.to_string({}), "A\n\\x1b[2J\\x0a\n");
}

TEST(FieldList, ValuesOfSeveralLinesAreIndented) {
  FieldList fields;
  fields.add("a", "1");
  fields.add("long", "x\ny");
  EXPECT_EQ(fields.to_string({}), "a     1\nlong  x\n      y\n");
}

TEST(JsonReading, WhatIsMissingOrOfAnotherTypeIsEmpty) {
  const Json json = *parse_json(R"({"a":1,"b":"x","c":-1,"d":[1,"y","z"],"e":1.9,"f":1e300})");
  EXPECT_EQ(text_at(json, "a"), "");
  EXPECT_EQ(count_at(json, "a"), 1U);
  EXPECT_EQ(count_at(json, "b"), 0U);
  EXPECT_EQ(count_at(json, "c"), 0U);
  EXPECT_EQ(count_at(json, "e"), 1U);
  EXPECT_EQ(count_at(json, "f"), 0U);
  EXPECT_EQ(texts_at(json, "d", ","), "y,z");
  EXPECT_TRUE(member(Json::array(), "a").is_null());
  EXPECT_FALSE(parse_json("{"));
  EXPECT_FALSE(parse_json("{} {}"));
  EXPECT_TRUE(parse_json(std::string(60, '[') + std::string(60, ']')));
  EXPECT_FALSE(parse_json(std::string(100'000, '[') + std::string(100'000, ']'))) << "deeper than anything of ours";
}

TEST(JsonPrinting, IsAsciiOnly) {
  const Json json = *parse_json("{\"a\":\"\xc2\x9b\x7f\\u001b\"}");
  EXPECT_EQ(compact(json), R"({"a":"\u009b\u007f\u001b"})");
  EXPECT_EQ(pretty(json), "{\n  \"a\": \"\\u009b\\u007f\\u001b\"\n}\n");
}

TEST(Problem, SaysTheArgumentThatThePointerIsAbout) {
  const std::string body =
      R"({"status":422,"title":"x","detail":"found \"1\"; expected a MAC address","pointer":"/mac"})";
  EXPECT_EQ(problem_text(422, body, {{"/mac", "--mac"}}), "--mac: found \"1\"; expected a MAC address");
  EXPECT_EQ(problem_text(422, body), "/mac: found \"1\"; expected a MAC address");
}

TEST(Problem, AListOfThemIsALineEach) {
  EXPECT_EQ(
      problem_text(422,
                   R"({"status":422,"detail":"several","pointer":"","problems":[{"pointer":"/a/1","detail":"bad"},)"
                   R"({"pointer":"","detail":"worse"}]})",
                   {{"/a", "--a"}, {"/aaaa", "--aaaa"}}),
      "--a: bad\nworse");
}

TEST(Problem, WithoutADocumentTheStatusIsAllThereIs) {
  EXPECT_THAT(problem_text(502, "<html>"), HasSubstr("502"));
  EXPECT_EQ(problem_text(404, R"({"detail":"no \u001b[2J","pointer":""})"), "no \\x1b[2J");
}

TEST(Control, NobodyThereSaysWhatToDo) {
  const auto none = connect_control("/nonexistent/control.sock");
  ASSERT_FALSE(none);
  EXPECT_EQ(
      none.error(),
      "no vnetd at /nonexistent/control.sock (No such file or directory): start vnetd, or name its control socket with "
      "--control or VNET_CONTROL");
}

TEST(Control, ThePathIsTheFlagThenTheVariableThenTheDefault) {
  ::setenv("VNET_CONTROL", "/from/variable", 1);
  EXPECT_EQ(control_path({"/from/flag", Color::automatic}), "/from/flag");
  EXPECT_EQ(control_path({}), "/from/variable");
  ::setenv("VNET_CONTROL", "", 1);
  ::setenv("XDG_RUNTIME_DIR", "/run/user/7", 1);
  EXPECT_EQ(control_path({}), "/run/user/7/vnet/control.sock");
  ::unsetenv("VNET_CONTROL");
  ::unsetenv("XDG_RUNTIME_DIR");
}

TEST_F(InUtc, AnEventIsALine) {
  EXPECT_EQ(
      event_line({"7", "nic.link",
                  R"({"id":7,"time":"2026-11-22T17:06:37.123Z","event":"nic.link","network":"home","nic":"alice",)"
                  R"("subject":"down","cause":"vnet nic link"})"},
                 {}),
      "2026-11-22 17:06:37.123  nic.link          home      alice         down  (vnet nic link)");
  EXPECT_EQ(event_line({"8", "dhcp.granted",
                        R"({"id":8,"time":"2026-11-22T17:06:38Z","event":"dhcp.granted","network":"home",)"
                        R"("mac":"52:cc:cc:cc:cc:01","subject":"192.168.1.2"})"},
                       {}),
            "2026-11-22 17:06:38.000  dhcp.granted      home      -             192.168.1.2  52:cc:cc:cc:cc:01");
}

TEST_F(InUtc, LostEventsAreALineToo) {
  EXPECT_EQ(event_line({"9", "lost", R"({"lost":12,"next":40})"}, {}),
            "-                        lost              12 events; goes on with number 40");
  EXPECT_THAT(event_line({"9", "lost", R"({"next":40})"}, {}), HasSubstr("some events; goes on with number 40"));
  EXPECT_EQ(event_json({"9", "lost", R"({"lost":12})"}), R"({"lost":12,"event":"lost"})");
}

TEST(EventText, HostileDataCannotLeaveItsLine) {
  const http::Event event{"1", "message", "\x1b[2J"};
  EXPECT_THAT(event_line(event, {}), Not(HasSubstr("\x1b")));
  EXPECT_EQ(event_json(event), R"({"event":"message","data":"\u001b[2J"})");
}

TEST(PcapngCounter, CountsEnhancedPacketBlocksHoweverTheyAreCut) {
  for (const bool big : {false, true}) {
    std::vector<std::uint8_t> stream;
    const auto number = [&](std::uint32_t value) {
      for (int i = 0; i < 4; ++i) stream.push_back(static_cast<std::uint8_t>(value >> (big ? 24 - 8 * i : 8 * i)));
    };
    const auto block = [&](std::uint32_t type, std::uint32_t length, std::uint32_t first) {
      number(type);
      number(length);
      number(first);
      stream.resize(stream.size() + length - 12, 6);
    };
    block(0x0a0d0d0a, 28, 0x1a2b3c4d);
    block(1, 20, 0);
    block(6, 100, 0);
    block(6, 32, 0);
    block(5, 12, 0);
    block(6, 64, 0);
    PcapngCounter whole;
    whole.feed(stream);
    EXPECT_EQ(whole.frames(), 3U);
    PcapngCounter bytewise;
    for (const std::uint8_t& byte : stream) bytewise.feed({&byte, 1});
    EXPECT_EQ(bytewise.frames(), 3U);
  }
}

TEST(PcapngCounter, AStreamThatIsNoneIsCountedNoFurther) {
  PcapngCounter counter;
  counter.feed(std::vector<std::uint8_t>(1000, 0));
  EXPECT_EQ(counter.frames(), 0U);
}

}  // namespace
}  // namespace vnet::adapter
