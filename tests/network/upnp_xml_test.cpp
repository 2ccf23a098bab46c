// The reader of SOAP calls: what it takes, and what of a hostile document it does not.
#include "network/upnp_xml.hpp"

#include <gtest/gtest.h>

namespace vnet::network {
namespace {

std::string envelope(std::string_view inner) {
  std::string text =
      "<?xml version=\"1.0\"?>\r\n<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body>";
  text += inner;
  return text += "</s:Body></s:Envelope>\r\n";
}
std::string call(std::string_view arguments) {
  return envelope("<u:Do xmlns:u=\"urn:x\">" + std::string{arguments} + "</u:Do>");
}
ParseError error_of(std::string_view text) {
  const auto read = parse_soap(text);
  EXPECT_FALSE(read.has_value()) << text;
  return read ? ParseError::bad_version : read.error();
}
/// The value of the only argument, `A`.
std::string value_of(std::string_view content) {
  const auto read = parse_soap(call("<A>" + std::string{content} + "</A>"));
  return read && read->find("A") != nullptr ? *read->find("A") : "(none)";
}

TEST(UpnpXml, ReadsAnActionWithItsArguments) {
  const auto read = parse_soap(call("<NewPort>80</NewPort>\r\n <NewHost></NewHost><NewName/>"));
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->action, "Do");
  ASSERT_EQ(read->arguments.size(), 3U);
  EXPECT_EQ(*read->find("NewPort"), "80");
  EXPECT_EQ(*read->find("NewHost"), "");
  EXPECT_EQ(*read->find("NewName"), "");
  EXPECT_EQ(read->find("newport"), nullptr);
}

TEST(UpnpXml, TakesWhatClientsWriteAroundIt) {
  EXPECT_TRUE(parse_soap("\xef\xbb\xbf" + envelope("<Do/>")));
  EXPECT_TRUE(
      parse_soap("<!-- a --><Envelope ><Header><x y='1'><z>text</z></x></Header><Body><Do a = \"b\" ></Do >"
                 "</Body></Envelope><!-- b -->"));
}

TEST(UpnpXml, ReadsReferences) {
  EXPECT_EQ(value_of("&lt;&gt;&amp;&quot;&apos;"), "<>&\"'");
  EXPECT_EQ(value_of("&#65;&#x42;&#xe9;&#x20aC;&#x1F600;"), "AB\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
  EXPECT_EQ(value_of("a<!-- not this -->b"), "ab");
}

TEST(UpnpXml, AnAmpersandThatBeginsNoReferenceStandsForItself) {
  EXPECT_EQ(value_of("a & b"), "a & b");
  EXPECT_EQ(value_of("&unknown; &#0; &#xd800; &#1114112; &#x; &;"), "&unknown; &#0; &#xd800; &#1114112; &#x; &;");
}

TEST(UpnpXml, NothingIsExpandedOrFetched) {
  EXPECT_EQ(error_of("<!DOCTYPE a [<!ENTITY b \"c\">]>" + call("<A>&b;</A>")), ParseError::bad_field);
  EXPECT_EQ(error_of(call("<A><![CDATA[x]]></A>")), ParseError::bad_field);
  EXPECT_EQ(error_of(call("<?php x ?>")), ParseError::bad_field);
  EXPECT_EQ(error_of("<?xml-stylesheet href='x'?>" + call("")), ParseError::bad_field);
}

TEST(UpnpXml, WhatHasNoPlaceInACallIsRefused) {
  for (const std::string& text : {
           call("text"),
           call("<A><B/></A>"),
           call("<A/><A/>"),
           envelope("<Do/><Do/>"),
           envelope("text"),
           std::string{"<Do/>"},
           std::string{"<Envelope><Do/></Envelope>"},
           std::string{"<Envelope>x</Envelope>"},
           envelope("<Do/>") + envelope("<Do/>"),
           call("<A>\x01</A>"),
           call("<A></B>"),
           call("<1/>"),
           call("< A/>"),
           call("<A b/>"),
           call("<A b=c/>"),
           call("<A b='<'/>"),
           call("</A>"),
       }) {
    EXPECT_EQ(error_of(text), ParseError::bad_field) << text;
  }
}

TEST(UpnpXml, EveryBeginningOfACallIsTooShort) {
  const std::string text = call("<A b='c'>&amp;x</A><!-- y -->");
  for (std::size_t size = 0; size < text.size() - 2; ++size) EXPECT_FALSE(parse_soap(text.substr(0, size))) << size;
  EXPECT_EQ(error_of(""), ParseError::truncated);
  EXPECT_EQ(error_of(envelope("")), ParseError::truncated) << "no action";
}

TEST(UpnpXml, HasLimits) {
  std::string deep = "<Envelope><Header>";
  for (int i = 0; i < 7; ++i) deep += "<x>";
  EXPECT_EQ(error_of(deep), ParseError::too_many);
  std::string many;
  for (std::size_t i = 0; i <= kMaxSoapArguments; ++i) many += "<A" + std::to_string(i) + "/>";
  EXPECT_EQ(error_of(call(many)), ParseError::too_many);
  EXPECT_EQ(error_of(std::string(kMaxSoapSize + 1, ' ')), ParseError::too_many);
}

TEST(UpnpXml, EscapesWhatWouldBeMarkup) {
  EXPECT_EQ(xml_escape("<a href=\"x\">Tom & 'Jerry'</a>"),
            "&lt;a href=&quot;x&quot;&gt;Tom &amp; &apos;Jerry&apos;&lt;/a&gt;");
  EXPECT_EQ(xml_escape("caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80\t"), "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80\t");
}

TEST(UpnpXml, WhatNoDocumentMayHaveBecomesAQuestionMark) {
  using namespace std::string_view_literals;
  EXPECT_EQ(xml_escape("a\x01"
                       "b\0c\x7f"sv),
            "a?b?c\x7f");
  EXPECT_EQ(xml_escape("\xe9t\xe9"), "?t?") << "Latin-1";
  EXPECT_EQ(xml_escape("\xc3"), "?") << "cut";
  EXPECT_EQ(xml_escape("\xc0\xaf\xe0\x80\xaf"), "?????") << "longer than need be";
  EXPECT_EQ(xml_escape("\xed\xa0\x80\xef\xbf\xbf\xf4\x90\x80\x80"), "??????????") << "no characters";
}

}  // namespace
}  // namespace vnet::network
