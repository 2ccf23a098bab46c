#include "adapter/show.hpp"

#include <gmock/gmock.h>

#include <cstdlib>
#include <ctime>

#include "adapter/rates.hpp"

namespace vnet::adapter {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

std::string shown(Show show, const char* json) {
  ::setenv("TZ", "UTC0", 1);
  ::tzset();
  return present(show, *parse_json(json), {}).text;
}

std::string note(Show show, const char* json) { return present(show, *parse_json(json), {}).note; }

constexpr const char* kAlice =
    R"({"name":"alice","mac":"52:cc:cc:cc:cc:01","network":"home","link":"up","configured":true,
  "ip":"192.168.1.101","hostname":"al\u001b[31mice","attachment":{"kind":"dgram","peer":"/tmp/a.sock","since":"2026-11-22T17:00:00Z"},
  "addresses":["192.168.1.101","fe80::1"],"in":{"frames":12,"bytes":1234,"drops":{"runt":2,"queue-full":30}},
  "out":{"frames":3,"bytes":456,"drops":{}}})";

TEST(Show, NicsAreATable) {
  const std::string bob = R"({"name":"bob","mac":"52:cc:cc:cc:cc:02","network":"home","link":"down","configured":false,
    "attachment":null,"addresses":[],"in":{"frames":0,"bytes":0,"drops":{}},"out":{"frames":0,"bytes":0,"drops":{}}})";
  EXPECT_EQ(shown(Show::nics, ("[" + std::string{kAlice} + "," + bob + "]").c_str()),
            "NAME   NETWORK  LINK  ATTACHED  MAC                ADDRESSES                   IN    OUT  DROPS\n"
            "alice  home     up    dgram     52:cc:cc:cc:cc:01  192.168.1.101,fe80::1  1.23 kB  456 B     32\n"
            "bob    home     down  -         52:cc:cc:cc:cc:02  -                          0 B    0 B      0\n");
}

TEST(Show, ServicesAreATableAndOneIsShownInFull) {
  const std::string driver = R"({"name":"driver.test","addresses":["52.52.0.2","2052::2"],"up":true,"proxy_protocol":1,
    "forward":{"tcp/8008":"unix:/run/d.sock","udp/53":"127.0.0.1:5353"}})";
  const std::string files = R"({"name":"files.test","kind":"files","addresses":["52.52.0.6"],"up":false,
    "proxy_protocol":0,"root":"/srv/files"})";
  EXPECT_EQ(shown(Show::services, ("[" + driver + "," + files + "]").c_str()),
            "NAME         KIND   STATE  ADDRESSES          LEADS TO\n"
            "driver.test  -      up     52.52.0.2,2052::2  tcp/8008 unix:/run/d.sock, udp/53 127.0.0.1:5353\n"
            "files.test   files  down   52.52.0.6          /srv/files\n");
  EXPECT_EQ(shown(Show::service, driver.c_str()),
            "name       driver.test\n"
            "kind       none\n"
            "state      up\n"
            "addresses  52.52.0.2\n"
            "           2052::2\n"
            "leads to   tcp/8008 unix:/run/d.sock\n"
            "           udp/53 127.0.0.1:5353\n"
            "with       PROXY protocol, version 1\n");
  EXPECT_EQ(note(Show::services, "[]"), "no services");
}

TEST(Show, OneNicIsShownInFull) {
  EXPECT_EQ(shown(Show::nic, kAlice),
            "name        alice\n"
            "mac         52:cc:cc:cc:cc:01\n"
            "network     home\n"
            "link        up\n"
            "attached    dgram, /tmp/a.sock, since 2026-11-22 17:00:00\n"
            "kept        yes, configured or added\n"
            "reserved    192.168.1.101\n"
            "hostname    al\\x1b[31mice\n"
            "addresses   192.168.1.101\n"
            "            fe80::1\n"
            "in          12 frames, 1.23 kB (sent by it)\n"
            "in dropped  30 queue-full, 2 runt\n"
            "out         3 frames, 456 B (sent to it)\n");
  EXPECT_EQ(shown(Show::nic_line, kAlice), "alice: 52:cc:cc:cc:cc:01 on home, link up, attached\n");
}

TEST(Show, AnImpairedLinkIsShownAsItIsAskedFor) {
  const std::string carol = R"({"name":"carol","mac":"52:cc:cc:cc:cc:03","network":"home","link":"up",
    "impair":{"up":{"latency_ms":50,"loss":0.02},"down":{"loss_burst":{"enter":0.1}}}})";
  EXPECT_THAT(shown(Show::nics, ("[" + carol + "]").c_str()), HasSubstr("  up, impaired  "));
  EXPECT_THAT(shown(Show::nic, carol.c_str()),
              HasSubstr("impaired   up.latency_ms=50 up.loss=0.02 down.loss_burst.enter=0.1\n"));
  EXPECT_EQ(shown(Show::nic_line, carol.c_str()),
            "carol: 52:cc:cc:cc:cc:03 on home, link up, not attached, impaired: up.latency_ms=50 up.loss=0.02 "
            "down.loss_burst.enter=0.1\n");
}

TEST(Show, OneNetworkIsShownInFull) {
  EXPECT_EQ(shown(Show::network,
                  R"({"name":"home","mac":"52:ee:ee:ee:ee:01","ipv4":"192.168.1.1/24","mtu":1500,"members":"open",
                      "impair":{"rate_mbps":10},"nics":2,"attached":1,"dhcp":{"range":["192.168.1.2","192.168.1.9"],
                      "lease_s":60,"leases":1},"dns":{"domain":"vnet"}})"),
            "name      home\n"
            "ipv4      192.168.1.1/24\n"
            "gateway   52:ee:ee:ee:ee:01\n"
            "mtu       1500\n"
            "members   open\n"
            "nics      2, 1 attached\n"
            "dhcp      192.168.1.2 to 192.168.1.9, 1 leases\n"
            "domain    vnet\n"
            "impaired  rate_mbps=10\n");
  EXPECT_THAT(shown(Show::network, R"({"name":"home","impair":{}})"), HasSubstr("impaired  no\n"));
}

TEST(Show, ANetworksRouterIsShownAsItIsAskedFor) {
  EXPECT_EQ(shown(Show::network, R"({"name":"home","mtu":1500,"nics":0,"attached":0,"impair":{},
                    "wan":{"ipv4":"2.1.1.1","ipv6":"2001:db8::1"},"nat":{"preset":"easy","hairpin":false,"udp_timeout_s":30},
                    "blackhole":["3.0.0.0/8","2052::/16"],"egress":{"enabled":false}})"),
            "name       home\n"
            "mtu        1500\n"
            "nics       0, 0 attached\n"
            "dhcp       no\n"
            "wan        2.1.1.1, 2001:db8::1\n"
            "nat        preset=easy hairpin=false udp_timeout_s=30\n"
            "blackhole  3.0.0.0/8, 2052::/16\n"
            "egress     off\n"
            "impaired   no\n");
  EXPECT_THAT(shown(Show::network, R"({"name":"home","wan":{"ipv6":"2001:db8::1"},"nat":"hard"})"),
              HasSubstr("wan       2001:db8::1\nnat       hard\n"));
}

TEST(Show, MappingsAreATableThatSaysWhenItIsCut) {
  const char* const cut = R"({"total":3,"mappings":[
    {"network":"home","router":"home","proto":"udp","inside":"10.0.0.5:5000","outside":"2.1.1.1:5000","nic":"alice",
     "toward":"3.3.3.3:53","pinned":false,"expires_s":299,"bytes_out":1500,"bytes_in":40,"sessions":2},
    {"network":"home","router":"carrier","proto":"tcp","inside":"100.64.0.2:22","outside":"2.1.1.1:22",
     "pinned":true,"bytes_out":0,"bytes_in":0,"sessions":0}]})";
  EXPECT_EQ(shown(Show::mappings, cut),
            "PROTO  INSIDE         OUTSIDE       TOWARD               LEFT      OUT    IN  SESSIONS  NIC    NETWORK\n"
            "udp    10.0.0.5:5000  2.1.1.1:5000  3.3.3.3:53     4 min 59 s  1.50 kB  40 B         2  alice  home\n"
            "tcp    100.64.0.2:22  2.1.1.1:22    -           stays, pinned      0 B   0 B         0  -      home, its "
            "carrier\n");
  EXPECT_EQ(note(Show::mappings, cut), "2 of 3 mappings; --limit shows more");
  EXPECT_EQ(note(Show::mappings, R"({"total":0,"mappings":[]})"), "no mappings");
}

TEST(Show, LeasesOfHostileGuestsAreHarmless) {
  EXPECT_EQ(shown(Show::leases,
                  R"([{"network":"home","ip":"192.168.1.2","mac":"52:cc:cc:cc:cc:01","hostname":"\u001b]0;x\u0007",
                                    "expires":"2026-11-22T18:00:00Z","remaining_s":3599}])"),
            "IP           MAC                HOSTNAME      NIC  NETWORK         LEFT  EXPIRES\n"
            "192.168.1.2  52:cc:cc:cc:cc:01  \\x1b]0;x\\x07  -    home     59 min 59 s  2026-11-22 18:00:00\n");
}

TEST(Show, StatusHasItsLimits) {
  EXPECT_EQ(
      shown(Show::status, R"({"version":"0.1.0","pid":42,"started":"2026-11-22T17:00:00Z","uptime_s":61.5,"networks":1,
                                    "nics":3,"attached":2,"drops":{"unbound-sender":4},
                                    "limits":{"nics":{"used":3,"limit":4096}}})"),
      "version   0.1.0\n"
      "process   42\n"
      "up        1 min 1 s, since 2026-11-22 17:00:00\n"
      "networks  1\n"
      "nics      3, 2 attached\n"
      "dropped   4 unbound-sender (of clients that are no NIC)\n"
      "\n"
      "LIMIT  USED    OF\n"
      "nics      3  4096\n");
}

TEST(Show, NetworksCapturesAndRecordsAreTables) {
  EXPECT_EQ(shown(Show::networks,
                  R"([{"name":"home","mac":"52:ee:ee:ee:ee:01","ipv4":"192.168.1.1/24","mtu":1500,"members":"open",
                                      "port_security":false,"nics":2,"attached":1,"dhcp":{"range":[],"lease_s":60,"leases":1},
                                      "dns":{"domain":"vnet","upstream":"system","records":0}}])"),
            "NAME  IPV4            IPV6   MTU  MEMBERS  NICS  ATTACHED  LEASES  DOMAIN  GATEWAY\n"
            "home  192.168.1.1/24  -     1500  open        2         1       1  vnet    52:ee:ee:ee:ee:01\n");
  EXPECT_EQ(
      shown(Show::captures, R"([{"id":"1","live":false,"file":"/tmp/x","nics":["a","b"],"filter":"not arp","snaplen":0,
                                      "started":"2026-11-22T17:00:00Z","frames":9,"accepted":8,"lost":1,"written":7}])"),
      "ID  TO      NICS  FILTER   FRAMES  WRITTEN  LOST  STARTED\n"
      "1   /tmp/x  a,b   not arp       9        7     1  2026-11-22 17:00:00\n");
  EXPECT_EQ(
      shown(Show::dns,
            R"([{"name":"a.test","a":["1.2.3.4","1.2.3.5"],"mx":[{"preference":10,"exchange":"m.test"}],"ttl_s":60},
                                 {"name":"_x._tcp.test","srv":[{"priority":1,"weight":2,"port":80,"target":"a.test"}],"ttl_s":5}])"),
      "NAME          TYPE  DATA           TTL\n"
      "a.test        A     1.2.3.4         60\n"
      "a.test        A     1.2.3.5         60\n"
      "a.test        MX    10 m.test       60\n"
      "_x._tcp.test  SRV   1 2 80 a.test    5\n");
}

TEST(Show, FlowsAreATable) {
  EXPECT_EQ(
      shown(Show::flows,
            R"([{"id":1,"network":"home","nic":"alice","mac":"52:cc:cc:cc:cc:01","proto":"tcp","guest":"10.0.0.2:40000",
                 "remote":"203.0.113.7:443","state":"open","age_s":61,"bytes_from_guest":10,"bytes_to_guest":20,
                 "retransmitted":3,"buffered_bytes":0},
                {"id":2,"network":"home","mac":"52:cc:cc:cc:cc:02","proto":"udp","guest":"10.0.0.3:5000",
                 "remote":"203.0.113.7:123","age_s":2,"bytes_from_guest":30,"bytes_to_guest":40}])"),
      "PROTO  GUEST           REMOTE           STATE        AGE  FROM    TO  RESENT  BUFFER  NIC                "
      "NETWORK\n"
      "tcp    10.0.0.2:40000  203.0.113.7:443  open   1 min 1 s  10 B  20 B       3     0 B  alice              home\n"
      "udp    10.0.0.3:5000   203.0.113.7:123  -            2 s  30 B  40 B       -       -  52:cc:cc:cc:cc:02  "
      "home\n");
  EXPECT_EQ(note(Show::flows, "[]"), "no flows");
}

TEST(Show, ReloadSaysWhatIsInEffectAndWhatIsNot) {
  EXPECT_EQ(shown(Show::reload, R"({"changed":["/nics/0","/nics/1"],"restart_needed":["/state"]})"),
            "changed:\n  /nics/0\n  /nics/1\nneeds a restart of vnetd:\n  /state\n");
  EXPECT_EQ(note(Show::reload, R"({"changed":[],"restart_needed":[]})"), "nothing has changed");
  EXPECT_EQ(shown(Show::restored, R"({"nics":[{"name":"a","lease":"restored"}]})"), "NIC  LEASE\na    restored\n");
}

TEST(Show, AnEmptyListSaysSoBesideTheOutput) {
  EXPECT_EQ(shown(Show::leases, "[]"), "");
  EXPECT_EQ(note(Show::leases, "[]"), "no leases");
  EXPECT_EQ(note(Show::nics, "[]"), "no NICs");
  EXPECT_EQ(note(Show::captures, "[]"), "no captures");
  EXPECT_EQ(note(Show::forwards, "[]"), "no forwards");
}

TEST(Show, ADocumentOfAnotherShapeHasGapsAndNoSurprises) {
  for (const Show show :
       {Show::status, Show::nics, Show::nic, Show::nic_line, Show::networks, Show::network, Show::leases, Show::dns,
        Show::captures, Show::capture_line, Show::forwards, Show::forward_line, Show::reload, Show::restored}) {
    for (const char* json :
         {"null", "1", "\"x\"", "[]", "{}", "[1]", "[{}]", "[[]]", R"({"limits":1,"drops":[1],"nics":"x"})",
          R"([{"in":1,"impair":5,"out":"x","addresses":{"a":"b"},"a":{"x":1},"mx":"x","srv":5,"dhcp":"x"}])"}) {
      EXPECT_THAT(shown(show, json), Not(HasSubstr("\x1b")));
    }
  }
}

Json nics_of(std::uint64_t frames, std::uint64_t bytes, std::uint64_t drops, const char* more = "") {
  return *parse_json(R"([{"name":"a","mac":"1","network":"n","link":"up","attachment":{"kind":"fd"},"in":{"frames":)" +
                     std::to_string(frames) + R"(,"bytes":)" + std::to_string(bytes) + R"(,"drops":{"queue-full":)" +
                     std::to_string(drops) + R"(}},"out":{"frames":0,"bytes":0,"drops":{}}})" + more + "]");
}

constexpr const char* kBusy = R"(,{"name":"b","mac":"2","network":"n","link":"up","attachment":null,
  "in":{"frames":0,"bytes":0,"drops":{}},"out":{"frames":10,"bytes":9000000,"drops":{}}})";

TEST(Rates, AreDifferencesOverTheRealTime) {
  Rates rates;
  const Instant start{std::chrono::seconds{100}};
  EXPECT_TRUE(rates.update(nics_of(100, 1000, 5), start).at(0).is_new);
  const auto after = rates.update(nics_of(300, 6000, 6), start + std::chrono::milliseconds{2500});
  ASSERT_THAT(after, SizeIs(1));
  EXPECT_FALSE(after[0].is_new);
  EXPECT_DOUBLE_EQ(after[0].in_frames, 80);
  EXPECT_DOUBLE_EQ(after[0].in_bits, 16000);
  EXPECT_DOUBLE_EQ(after[0].out_frames, 0);
  EXPECT_THAT(after[0].drops, ElementsAre(testing::Pair("queue-full", testing::DoubleEq(0.4))));
}

TEST(Rates, CountersThatWentBackAreNew) {
  Rates rates;
  const Instant start{std::chrono::seconds{100}};
  (void)rates.update(nics_of(100, 1000, 0), start);
  EXPECT_TRUE(rates.update(nics_of(5, 50, 0), start + std::chrono::seconds{1}).at(0).is_new);
  EXPECT_DOUBLE_EQ(rates.update(nics_of(10, 50, 0), start + std::chrono::seconds{2}).at(0).in_frames, 5);
}

TEST(Rates, TheBusiestIsFirst) {
  Rates rates;
  const Instant start{std::chrono::seconds{100}};
  (void)rates.update(nics_of(100, 1000, 0, R"(,{"name":"b","mac":"2","in":{},"out":{}})"), start);
  const auto after = rates.update(nics_of(200, 2000, 3, kBusy), start + std::chrono::seconds{1});
  EXPECT_EQ(after.at(0).name, "b");
  EXPECT_THAT(rate_lines(after, {}),
              ElementsAre("2 NICs, 1 attached, 100 frames/s, 8.00 kbit/s", "",
                          "NIC  NETWORK  LINK       IN                  OUT               DROPS/S",
                          "b    n        none    0 f/s      0 bit/s  10 f/s  72.0 Mbit/s  -",
                          "a    n        up    100 f/s  8.00 kbit/s   0 f/s      0 bit/s  3 queue-full"));
}

}  // namespace
}  // namespace vnet::adapter
