// Finding the gateway: UPnP Device Architecture 1.0, section 1, on virtual time.
#include "network/ssdp.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/network/upnp_testing.hpp"

namespace vnet::network::test {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

const nat::Endpoint kAsking{kAlice, 50'000};
const std::string kIgd = "urn:schemas-upnp-org:device:InternetGatewayDevice:1";

std::string search(const std::string& target) {
  return "M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nST: " + target +
         "\r\nMAN: \"ssdp:discover\"\r\nMX: 2\r\n\r\n";
}

struct SsdpTest : testing::Test {
  Ssdp::Send send = [this](const nat::Endpoint& to, ByteView payload) {
    receivers.push_back(nat::test::text(to));
    sent.emplace_back(as_text(payload));
  };
  std::vector<std::string> ask(const std::string& payload, const nat::Endpoint& from = kAsking) {
    sent.clear();
    receivers.clear();
    ssdp.handle(from, as_bytes(payload), now, send);
    return sent;
  }
  /// Time passes; how often something was announced, and when.
  std::vector<Duration> announced(Duration duration) {
    std::vector<Duration> times;
    const Instant until = now + duration;
    while (ssdp.next_deadline() <= until) {
      now = std::max(now, ssdp.next_deadline());
      sent.clear();
      ssdp.expire(now, send);
      if (!sent.empty()) times.push_back(now - nat::test::kStart);
    }
    now = until;
    return times;
  }

  Instant now = nat::test::kStart;
  std::vector<std::string> sent;
  std::vector<std::string> receivers;
  Ssdp ssdp{upnp_home()};
};

TEST_F(SsdpTest, ASearchIsAnsweredToItsSender_DeviceArchitecture_1_2_3) {
  EXPECT_THAT(ask(search(kIgd)),
              ElementsAre("HTTP/1.1 200 OK\r\nCACHE-CONTROL: max-age=1800\r\nEXT:\r\n"
                          "LOCATION: http://192.168.1.1:5000/rootDesc.xml\r\nSERVER: Linux UPnP/1.0 vnet/0.1\r\n"
                          "ST: urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\n"
                          "USN: uuid:766e6574-0000-1000-8000-5a94efe40cdd::"
                          "urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\n\r\n"));
  EXPECT_THAT(receivers, ElementsAre("192.168.1.10 50000"));
}

TEST_F(SsdpTest, EverythingIsTheRootTwoForEachDeviceAndOneForEachService_DeviceArchitecture_1_1_2) {
  EXPECT_THAT(ask(search("ssdp:all")), SizeIs(1 + 2 * 3 + 3));
}

TEST_F(SsdpTest, EachThingIsFoundByItsTypeOrName_DeviceArchitecture_1_2_2) {
  for (const std::string target :
       {"upnp:rootdevice", "uuid:766e6574-0001-1000-8000-5a94efe40cdd", "urn:schemas-upnp-org:device:WANDevice:1",
        "urn:schemas-upnp-org:device:WANConnectionDevice:1", "urn:schemas-upnp-org:service:WANIPConnection:1",
        "urn:schemas-upnp-org:service:WANCommonInterfaceConfig:1", "urn:schemas-upnp-org:service:Layer3Forwarding:1"}) {
    EXPECT_THAT(ask(search(target)), SizeIs(1)) << target;
  }
}

TEST_F(SsdpTest, WhatIsNotHereIsNotAnswered_DeviceArchitecture_1_2_3) {
  for (const std::string target :
       {"urn:schemas-upnp-org:device:InternetGatewayDevice:2", "urn:schemas-upnp-org:service:WANPPPConnection:1",
        "urn:schemas-upnp-org:device:MediaServer:1", ""}) {
    EXPECT_THAT(ask(search(target)), IsEmpty()) << target;
  }
}

TEST_F(SsdpTest, WhatIsNoSearchIsIgnored_DeviceArchitecture_1_2_2) {
  for (const std::string& payload :
       {std::string{}, std::string{"M-SEARCH"}, "NOTIFY * HTTP/1.1\r\nST: " + kIgd + "\r\n\r\n",
        "M-SEARCH * HTTP/1.1\r\nST: " + kIgd + "\r\n\r\n",
        "M-SEARCH * HTTP/1.1\r\nMAN: ssdp:discover\r\nST: " + kIgd + "\r\n\r\n",
        "M-SEARCH * HTTP/1.1\r\nno colon\r\nMAN: \"ssdp:discover\"\r\nST: " + kIgd + "\r\n\r\n",
        "M-SEARCH * HTTP/1.1\r\n\r\nMAN: \"ssdp:discover\"\r\nST: " + kIgd + "\r\n\r\n",
        search(kIgd) + std::string(Ssdp::kMaxSearch, ' ')}) {
    EXPECT_THAT(ask(payload), IsEmpty()) << payload;
  }
  EXPECT_THAT(ask("M-SEARCH * HTTP/1.1\r\nman:\"ssdp:discover\"\r\nSt:" + kIgd), SizeIs(1)) << "names in any case";
}

TEST_F(SsdpTest, OnlyGuestsAreAnswered) {
  EXPECT_THAT(ask(search(kIgd), nat::test::at("198.51.100.9", 50'000)), IsEmpty());
  EXPECT_THAT(ask(search(kIgd), nat::test::at("192.168.1.255", 50'000)), IsEmpty()) << "that would be everybody";
  EXPECT_THAT(ask(search(kIgd), nat::test::at("192.168.1.1", 50'000)), IsEmpty());
  EXPECT_THAT(ask(search(kIgd), nat::test::at("192.168.1.10", 0)), IsEmpty());
  EXPECT_THAT(ask(search(kIgd), nat::test::at("fd00:1::a", 50'000)), IsEmpty());
}

TEST_F(SsdpTest, SearchesAreAnsweredUpToALimit) {
  std::size_t answers = 0;
  for (int i = 0; i < 100; ++i) answers += ask(search(kIgd)).size();
  EXPECT_EQ(answers, static_cast<std::size_t>(Ssdp::kSearchBurst));
  now += 1s;
  EXPECT_THAT(ask(search(kIgd)), SizeIs(1));
}

TEST_F(SsdpTest, SaysThatItIsThereTwiceAndThenWhileItIs_DeviceArchitecture_1_1_2) {
  EXPECT_THAT(announced(1300s), ElementsAre(0s, 200ms, 600s + 200ms, 1200s + 200ms));
  ASSERT_THAT(sent, SizeIs(10));
  EXPECT_EQ(sent[0],
            "NOTIFY * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nNT: upnp:rootdevice\r\nNTS: ssdp:alive\r\n"
            "USN: uuid:766e6574-0000-1000-8000-5a94efe40cdd::upnp:rootdevice\r\nCACHE-CONTROL: max-age=1800\r\n"
            "LOCATION: http://192.168.1.1:5000/rootDesc.xml\r\nSERVER: Linux UPnP/1.0 vnet/0.1\r\n\r\n");
  EXPECT_EQ(receivers.back(), "239.255.255.250 1900");
}

TEST_F(SsdpTest, TakesItBackWhenItGoes_DeviceArchitecture_1_1_3) {
  ssdp.say_goodbye(send);
  ASSERT_THAT(sent, SizeIs(10));
  EXPECT_EQ(sent[1],
            "NOTIFY * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nNT: uuid:766e6574-0000-1000-8000-5a94efe40cdd\r\n"
            "NTS: ssdp:byebye\r\nUSN: uuid:766e6574-0000-1000-8000-5a94efe40cdd\r\n\r\n");
}

}  // namespace
}  // namespace vnet::network::test
