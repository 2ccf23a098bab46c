// Server-sent events, written and read.
#include "http/event_stream.hpp"

#include <gmock/gmock.h>

namespace vnet::http {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::vector<Event> decode_events(std::string_view text) { return EventStreamDecoder{}.feed(text); }

TEST(EventStream, comes_back_as_it_was_written_however_it_is_cut) {
  std::string text;
  append_event(text, "1", "nic.link", R"({"a":1})");
  append_comment(text, "still here");
  append_event(text, "2", "", "two\nlines");
  append_event(text, "", "drop.burst", "");
  for (std::size_t piece = 1; piece <= text.size(); ++piece) {
    EventStreamDecoder decoder;
    std::vector<Event> events;
    for (std::size_t at = 0; at < text.size(); at += piece) {
      for (Event& event : decoder.feed(std::string_view{text}.substr(at, piece))) events.push_back(std::move(event));
    }
    EXPECT_THAT(events, ElementsAre(Event{"1", "nic.link", R"({"a":1})"}, Event{"2", "message", "two\nlines"},
                                    Event{"2", "drop.burst", ""}));
  }
}

TEST(EventStream, knows_all_three_line_ends) {
  for (const char* text :
       {"data: a\ndata: b\n\n", "data: a\rdata: b\r\r", "data: a\r\ndata: b\r\n\r\n", "data: a\r\ndata: b\n\r"}) {
    EXPECT_THAT(decode_events(text), ElementsAre(Event{"", "message", "a\nb"})) << text;
  }
}

TEST(EventStream, writes_every_line_end_in_data_as_a_new_line) {
  std::string text;
  append_event(text, "", "", "a\rb\r\nc\nd");
  EXPECT_THAT(decode_events(text), ElementsAre(Event{"", "message", "a\nb\nc\nd"}));
}

TEST(EventStream, ignores_comments_unknown_fields_and_a_byte_order_mark) {
  EXPECT_THAT(decode_events("\xef\xbb\xbf"
                            "data: x\n: note\nretry: 5\ncolour: red\nnothing\n\n"),
              ElementsAre(Event{"", "message", "x"}));
}

TEST(EventStream, takes_off_one_space_only) {
  EXPECT_THAT(decode_events("data:a\n\ndata:  b\n\ndata\n\n"),
              ElementsAre(Event{"", "message", "a"}, Event{"", "message", " b"}, Event{"", "message", ""}));
}

TEST(EventStream, keeps_an_id_until_the_next_and_refuses_one_with_nul) {
  EXPECT_THAT(decode_events(std::string_view{"id: 1\n\nid: a\0b\ndata: x\n\nid\ndata: y\n\n", 36}),
              ElementsAre(Event{"1", "message", "x"}, Event{"", "message", "y"}));
}

TEST(EventStream, forgets_the_name_of_an_event_without_data) {
  EXPECT_THAT(decode_events("event: a\n\ndata: x\n\n"), ElementsAre(Event{"", "message", "x"}));
}

TEST(EventStream, gives_no_event_before_its_empty_line) { EXPECT_THAT(decode_events("data: x\n"), IsEmpty()); }

TEST(EventStream, drops_an_event_that_is_too_long_and_goes_on) {
  EventStreamDecoder decoder;
  EXPECT_THAT(decoder.feed("data: " + std::string(kMaxEventBytes, 'x') + "\n\ndata: ok\n\n"),
              ElementsAre(Event{"", "message", "ok"}));
  EXPECT_EQ(decoder.dropped(), 1U);
  for (int i = 0; i < 40; ++i)
    EXPECT_THAT(decoder.feed("data: " + std::string(kMaxEventBytes / 32, 'x') + "\n"), IsEmpty());
  EXPECT_THAT(decoder.feed("\ndata: ok\n\n"), ElementsAre(Event{"", "message", "ok"}));
  EXPECT_THAT(decoder.feed("id: " + std::string(kMaxEventId + 1, 'x') + "\ndata: z\n\n"), IsEmpty());
  EXPECT_EQ(decoder.dropped(), 3U);
}

}  // namespace
}  // namespace vnet::http
