#include "adapter/options.hpp"

#include <gmock/gmock.h>

#include "adapter/json.hpp"

namespace vnet::adapter {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;
using Words = std::vector<std::string>;

CommandLine line_of(const Words& words) { return parse_options(words, {"1.2.3", "/home/me"}); }

template <typename T>
T command_of(const Words& words) {
  const CommandLine line = line_of(words);
  if (const auto* exit = std::get_if<Exit>(&line.command)) ADD_FAILURE() << exit->text;
  return std::get<T>(line.command);
}

TapOptions tap_of(const Words& words) { return command_of<TapOptions>(words); }
Call call_of(const Words& words) { return command_of<Call>(words); }
Exit exit_of(const Words& words) { return std::get<Exit>(line_of(words).command); }

/// "METHOD target body"
std::string asked(const Words& words) {
  const Call call = call_of(words);
  return call.method + " " + call.target + (call.body.empty() ? "" : " " + call.body);
}

TEST(VnetOptions, TapHasDefaultsForEverything) {
  const TapOptions tap = tap_of({"tap"});
  EXPECT_EQ(tap, TapOptions{});
  EXPECT_EQ(tap.name, "tap0");
  EXPECT_EQ(tap.mtu, 1500);
}

TEST(VnetOptions, TapTakesEachFlag) {
  TapOptions expected;
  expected.name = "eth0";
  expected.mac = MacAddress::parse("52:cc:cc:cc:cc:01");
  expected.netns = "blue";
  expected.socket = "/tmp/s";
  expected.mtu = 65520;
  expected.queue = 5000;
  expected.dhcp = true;
  EXPECT_EQ(tap_of({"tap", "--name", "eth0", "--mac", "52:CC:cc:cc:cc:01", "--netns", "blue", "--socket=/tmp/s",
                    "--mtu", "65520", "--queue", "5000", "--dhcp"}),
            expected);
}

TEST(VnetOptions, HelpAndVersionAreNoErrors) {
  EXPECT_EQ(exit_of({"--version"}).text, "vnet 1.2.3\n");
  EXPECT_EQ(exit_of({"--version"}).code, ExitCode::ok);
  EXPECT_THAT(exit_of({"--help"}).text, HasSubstr("tap"));
  const Exit help = exit_of({"tap", "--help"});
  EXPECT_EQ(help.code, ExitCode::ok);
  EXPECT_THAT(help.text, AllOf(HasSubstr("--netns"), HasSubstr("Examples:")));
}

TEST(VnetOptions, HelpOfEveryCommandHasExamples) {
  const std::vector<Words> commands = {{"status"},
                                       {"nics"},
                                       {"networks"},
                                       {"leases"},
                                       {"lease"},
                                       {"lease", "rm"},
                                       {"captures"},
                                       {"nic"},
                                       {"nic", "add"},
                                       {"nic", "rm"},
                                       {"network"},
                                       {"services"},
                                       {"service"},
                                       {"dns"},
                                       {"dns", "set"},
                                       {"dns", "rm"},
                                       {"capture"},
                                       {"forwards"},
                                       {"forward"},
                                       {"forward", "add"},
                                       {"forward", "rm"},
                                       {"events"},
                                       {"capture", "start"},
                                       {"capture", "stop"},
                                       {"top"},
                                       {"snapshot"},
                                       {"restore"},
                                       {"reload"},
                                       {"metrics"},
                                       {"api"},
                                       {"completion"},
                                       {"tap"},
                                       {"grid"},
                                       {"vm"},
                                       {"vm", "run"},
                                       {"vm", "start"},
                                       {"vm", "list"},
                                       {"vm", "ip"},
                                       {"vm", "attach"},
                                       {"vm", "detach"},
                                       {"vm", "stop"},
                                       {"vm", "save"},
                                       {"vm", "restore"},
                                       {"vm", "snapshots"},
                                       {"vm", "rm"},
                                       {"vm", "screenshot"},
                                       {"vm", "logs"}};
  for (Words words : commands) {
    const std::string name = words.back();
    words.emplace_back("--help");
    const Exit help = exit_of(words);
    EXPECT_EQ(help.code, ExitCode::ok) << name;
    EXPECT_THAT(help.text, AllOf(HasSubstr("Examples:\n  "), HasSubstr("vnet " + words.front()))) << name;
  }
}

TEST(VnetOptions, ForwardsAreAddedListedAndRemoved) {
  EXPECT_EQ(asked({"forwards"}), "GET /v1/forwards");
  EXPECT_EQ(asked({"forward", "add", "tcp", "127.0.0.1:2222", "10.0.0.5:22"}),
            R"(POST /v1/forwards {"proto":"tcp","listen":"127.0.0.1:2222","to":"10.0.0.5:22"})");
  EXPECT_EQ(asked({"forward", "add", "tcp", "unix:s.sock", "10.0.0.5:22", "--network", "lab", "--proxy-protocol", "2"}),
            R"(POST /v1/forwards {"proto":"tcp","listen":"unix:/home/me/s.sock","to":"10.0.0.5:22","network":"lab",)"
            R"("proxy_protocol":2})");
  EXPECT_EQ(asked({"forward", "rm", "3"}), "DELETE /v1/forwards/3");
  EXPECT_THAT(exit_of({"forward", "add", "tcp"}).text, HasSubstr("127.0.0.1:2222"));
}

TEST(VnetOptions, ServicesAreListedAndSwitched) {
  EXPECT_EQ(asked({"services"}), "GET /v1/services");
  EXPECT_EQ(asked({"service", "a.test"}), "GET /v1/services/a.test");
  EXPECT_EQ(asked({"service", "a.test", "down"}),
            R"(PATCH /v1/services/a.test {"up":false,"cause":"vnet service down"})");
  EXPECT_EQ(asked({"service", "a.test", "up"}), R"(PATCH /v1/services/a.test {"up":true,"cause":"vnet service up"})");
  EXPECT_THAT(exit_of({"service"}).text, HasSubstr("vnet services"));
  EXPECT_THAT(exit_of({"service", "a.test", "dwn"}).text, HasSubstr("did you mean \"down\"?"));
  EXPECT_THAT(exit_of({"service", "a.test", "up", "now"}).text, HasSubstr("\"now\""));
}

TEST(VnetOptions, QuestionsAskTheApi) {
  EXPECT_EQ(asked({"status"}), "GET /v1/status");
  EXPECT_EQ(asked({"nics"}), "GET /v1/nics");
  EXPECT_EQ(asked({"nics", "--network", "a b&c"}), "GET /v1/nics?network=a%20b%26c");
  EXPECT_EQ(asked({"leases", "--network", "lab"}), "GET /v1/leases?network=lab");
  EXPECT_EQ(asked({"networks"}), "GET /v1/networks");
  EXPECT_EQ(asked({"network", "home"}), "GET /v1/networks/home");
  EXPECT_EQ(asked({"flows"}), "GET /v1/flows");
  EXPECT_EQ(asked({"flows", "--nic", "alice", "--network", "lab"}), "GET /v1/flows?network=lab&nic=alice");
  EXPECT_THAT(exit_of({"flows", "--help"}).text, HasSubstr("Examples:\n  vnet flows\n"));
  EXPECT_EQ(asked({"captures"}), "GET /v1/captures");
  EXPECT_EQ(asked({"nic", "alice"}), "GET /v1/nics/alice");
  EXPECT_EQ(asked({"nic", "52:cc:cc:cc:cc:01"}), "GET /v1/nics/52%3Acc%3Acc%3Acc%3Acc%3A01");
  EXPECT_EQ(asked({"dns", "--network", "lab"}), "GET /v1/dns/records?network=lab");
  EXPECT_EQ(asked({"metrics"}), "GET /metrics");
  EXPECT_FALSE(call_of({"nics"}).json);
  EXPECT_TRUE(call_of({"nics", "--json"}).json);
  EXPECT_TRUE(call_of({"--json", "nics"}).json);
}

TEST(VnetOptions, AChangeIsOneRequest) {
  EXPECT_EQ(asked({"assign", "alice", "ready"}), R"(PATCH /v1/nics/alice {"assign":"ready","cause":"vnet assign"})");
  EXPECT_EQ(asked({"nic", "alice", "link", "down"}), R"(PATCH /v1/nics/alice {"link":"down","cause":"vnet nic link"})");
  EXPECT_EQ(asked({"nic", "alice", "move", "lab"}),
            R"(PATCH /v1/nics/alice {"network":"lab","cause":"vnet nic move"})");
  EXPECT_EQ(asked({"nic", "alice", "detach"}), R"(DELETE /v1/nics/alice/attach {"cause":"vnet nic detach"})");
  EXPECT_EQ(asked({"nic", "rm", "alice"}), "DELETE /v1/nics/alice");
  EXPECT_EQ(asked({"nic", "add", "carol"}), R"(POST /v1/nics {"name":"carol"})");
  EXPECT_EQ(asked({"nic", "add", "carol", "--mac", "52:cc:cc:cc:cc:03", "--network", "lab", "--ip", "10.0.0.9",
                   "--link", "down", "--dgram", "run/../carol.sock"}),
            R"(POST /v1/nics {"name":"carol","mac":"52:cc:cc:cc:cc:03","network":"lab","ip":"10.0.0.9","link":"down",)"
            R"("dgram":"/home/me/carol.sock"})");
  EXPECT_EQ(asked({"lease", "rm", "10.0.0.9", "--network", "lab"}), "DELETE /v1/leases/10.0.0.9?network=lab");
  EXPECT_EQ(asked({"dns", "set", "a.test", "--a", "1.2.3.4", "--a", "1.2.3.5", "--aaaa", "::1", "--txt", "x y", "--ttl",
                   "5"}),
            R"(PUT /v1/dns/records/a.test {"a":["1.2.3.4","1.2.3.5"],"aaaa":["::1"],"txt":["x y"],"ttl_s":5})");
  EXPECT_EQ(asked({"dns", "set", "a.test", "--cname", "b.test", "--network", "lab"}),
            R"(PUT /v1/dns/records/a.test?network=lab {"cname":"b.test"})");
  EXPECT_EQ(asked({"dns", "rm", "a.test"}), "DELETE /v1/dns/records/a.test");
  EXPECT_EQ(asked({"reload"}), "POST /v1/reload");
}

TEST(VnetOptions, CapturesOfTheDaemonHaveAbsolutePaths) {
  EXPECT_EQ(asked({"capture", "start", "run.pcapng", "--nic", "a", "--nic", "b", "--filter", "not arp", "--snaplen",
                   "96", "--rotate-mb", "10", "--keep", "3"}),
            R"(POST /v1/captures {"file":"/home/me/run.pcapng","nics":["a","b"],"filter":"not arp","snaplen":96,)"
            R"("rotate_mb":10,"keep":3})");
  EXPECT_EQ(asked({"capture", "start", "/tmp/x"}), R"(POST /v1/captures {"file":"/tmp/x"})");
  EXPECT_EQ(asked({"capture", "stop", "7"}), "DELETE /v1/captures/7");
}

TEST(VnetOptions, ALiveCaptureGoesToStdoutUnlessToldOtherwise) {
  EXPECT_EQ(command_of<LiveCapture>({"capture"}), (LiveCapture{"/v1/captures/live", "-"}));
  EXPECT_EQ(command_of<LiveCapture>(
                {"capture", "--nic", "a", "--filter", "udp port 53", "--snaplen", "64", "-w", "x.pcapng"}),
            (LiveCapture{"/v1/captures/live?nic=a&filter=udp%20port%2053&snaplen=64", "x.pcapng"}));
}

TEST(VnetOptions, SnapshotAndRestoreCarryDocuments) {
  EXPECT_EQ(asked({"snapshot"}), "POST /v1/snapshot {}");
  EXPECT_EQ(asked({"snapshot", "a", "b"}), R"(POST /v1/snapshot {"nics":["a","b"]})");
  EXPECT_EQ(call_of({"snapshot"}).show, Show::document);
  EXPECT_EQ(call_of({"restore", "-"}).body_of, "-");
  EXPECT_EQ(call_of({"restore", "all.json"}).body_of, "all.json");
}

TEST(VnetOptions, TheRawApiTakesADocumentOrStdin) {
  EXPECT_EQ(asked({"api", "PATCH", "/v1/nics/a?x=1", R"({"link":"up"})"}), R"(PATCH /v1/nics/a?x=1 {"link":"up"})");
  EXPECT_EQ(call_of({"api", "POST", "/v1/nics", "-"}).body_of, "-");
  EXPECT_EQ(call_of({"api", "GET", "/v1/nics"}).show, Show::raw);
}

TEST(VnetOptions, ANicThatIsCalledLikeACommandCanBeReached) {
  EXPECT_EQ(asked({"nic", "top"}), "GET /v1/nics/top");
  EXPECT_EQ(asked({"nic", "status", "link", "up"}), R"(PATCH /v1/nics/status {"link":"up","cause":"vnet nic link"})");
  EXPECT_EQ(asked({"nic", "--", "add", "link", "up"}), R"(PATCH /v1/nics/add {"link":"up","cause":"vnet nic link"})");
  EXPECT_EQ(asked({"nic", "rm", "add"}), "DELETE /v1/nics/add");
}

TEST(VnetOptions, EventsAndTopTakeTheirFlags) {
  EXPECT_EQ(command_of<EventsOptions>({"events"}), EventsOptions{});
  EXPECT_EQ(command_of<EventsOptions>({"events", "--follow", "--nic", "a", "--network", "n", "--kind",
                                       "nic.,dhcp.granted", "--since", "17", "--json"}),
            (EventsOptions{true, {{"nic", "a"}, {"network", "n"}, {"kind", "nic.,dhcp.granted"}}, 17, true}));
  EXPECT_EQ(command_of<TopOptions>({"top", "--interval", "0.5", "--count", "3"}), (TopOptions{0.5, 3}));
  const GridOptions grid{.seed = 7, .html = "g.html", .combinations = true, .json = true, .version = "1.2.3"};
  EXPECT_EQ(command_of<GridOptions>({"grid", "--seed", "7", "--html", "g.html", "--combinations", "--json"}), grid);
}

TEST(VnetOptions, ImpairmentsAreOneDocument) {
  EXPECT_EQ(asked({"nic", "alice", "impair", "latency_ms=50", "loss=0.02"}),
            R"(PATCH /v1/nics/alice {"impair":{"latency_ms":50.0,"loss":0.02},"cause":"vnet nic impair"})");
  EXPECT_EQ(asked({"network", "home", "impair", "up.loss=2%", "up.loss_burst.enter=1e-2", "queue_kb=64",
                   "jitter_reorders=true"}),
            R"(PATCH /v1/networks/home {"impair":{"up":{"loss":0.02,"loss_burst":{"enter":0.01}},"queue_kb":64,)"
            R"("jitter_reorders":true},"cause":"vnet network impair"})");
  EXPECT_EQ(asked({"nic", "alice", "impair", "none"}),
            R"(PATCH /v1/nics/alice {"impair":{},"cause":"vnet nic impair"})");
  EXPECT_THAT(
      call_of({"nic", "a", "impair", "loss=2", "down.loss_burst.leave=3"}).arguments,
      ElementsAre(Pair("/impair/loss", "loss"), Pair("/impair/down/loss_burst/leave", "down.loss_burst.leave")));
}

TEST(VnetOptions, ARouterIsChangedInOneRequest) {
  EXPECT_EQ(asked({"network", "home", "nat", "hard"}),
            R"(PATCH /v1/networks/home {"nat":"hard","cause":"vnet network nat"})");
  EXPECT_EQ(asked({"network", "home", "nat", "preset=easy", "udp_timeout_s=30", "hairpin=false"}),
            R"(PATCH /v1/networks/home {"nat":{"preset":"easy","udp_timeout_s":30,"hairpin":false},)"
            R"("cause":"vnet network nat"})");
  EXPECT_EQ(asked({"network", "home", "wan", "2.1.1.9", "2001:db8::9"}),
            R"(PATCH /v1/networks/home {"wan":{"ipv4":"2.1.1.9","ipv6":"2001:db8::9"},"cause":"vnet network wan"})");
  EXPECT_EQ(asked({"network", "home", "wan", "2001:db8::9"}),
            R"(PATCH /v1/networks/home {"wan":{"ipv6":"2001:db8::9"},"cause":"vnet network wan"})");
  EXPECT_EQ(asked({"network", "home", "wan", "none"}),
            R"(PATCH /v1/networks/home {"wan":null,"cause":"vnet network wan"})");
  EXPECT_EQ(asked({"network", "home", "blackhole", "add", "52.52.0.3/32", "2052::/16"}),
            R"(PATCH /v1/networks/home {"blackhole":{"add":["52.52.0.3/32","2052::/16"]},)"
            R"("cause":"vnet network blackhole"})");
  EXPECT_EQ(asked({"network", "home", "blackhole", "rm", "52.52.0.3"}),
            R"(PATCH /v1/networks/home {"blackhole":{"remove":["52.52.0.3"]},"cause":"vnet network blackhole"})");
  EXPECT_EQ(asked({"network", "home", "blackhole", "clear"}),
            R"(PATCH /v1/networks/home {"blackhole":[],"cause":"vnet network blackhole"})");
  EXPECT_EQ(asked({"network", "home", "egress", "off"}),
            R"(PATCH /v1/networks/home {"egress":{"enabled":false},"cause":"vnet network egress"})");
  EXPECT_EQ(asked({"network", "home", "reboot"}), R"(POST /v1/networks/home/reboot {"cause":"vnet network reboot"})");
  EXPECT_THAT(call_of({"network", "home", "blackhole", "rm", "x", "y"}).arguments,
              ElementsAre(Pair("/blackhole/remove/0", "x"), Pair("/blackhole/remove/1", "y")));
}

TEST(VnetOptions, MappingsAreAskedForWithTheirLimit) {
  EXPECT_EQ(asked({"mappings"}), "GET /v1/nat/mappings");
  EXPECT_EQ(asked({"mappings", "--network", "home", "--limit", "5"}), "GET /v1/nat/mappings?network=home&limit=5");
}

TEST(VnetOptions, EveryArgumentOfARequestIsKnownByItsPointer) {
  EXPECT_THAT(call_of({"nic", "add", "c", "--mac", "1"}).arguments,
              ElementsAre(Pair("/name", "NAME"), Pair("/mac", "--mac")));
  EXPECT_THAT(call_of({"dns", "set", "c", "--a", "1", "--ttl", "1"}).arguments,
              ElementsAre(Pair("/a", "--a"), Pair("/ttl_s", "--ttl")));
}

TEST(VnetOptions, TheCommonFlagsStandAnywhere) {
  const Common expected{"/c.sock", Color::never};
  EXPECT_EQ(line_of({"--control", "/c.sock", "--color", "never", "nics"}).common, expected);
  EXPECT_EQ(line_of({"nics", "--control=/c.sock", "--color", "never"}).common, expected);
  EXPECT_EQ(line_of({"nic", "add", "x", "--control", "/c.sock", "--color", "never"}).common, expected);
}

TEST(VnetOptions, WordsToCompleteAreNotUnderstood) {
  EXPECT_EQ(command_of<CompleteOptions>({"complete", "nic", "--hel"}).words, (Words{"nic", "--hel"}));
}

TEST(VnetOptions, ABadCommandLineSaysWhatWasFoundAndExpected) {
  const std::vector<std::pair<Words, std::string>> cases = {
      {{}, "found no command; expected one of status, nics"},
      {{"tpa"}, "found the command \"tpa\"; expected one of status"},
      {{"statsu"}, "did you mean \"status\"?"},
      {{"nics", "--jsno"}, "nics: found an unknown flag \"--jsno\""},
      {{"nics", "--jsno"}, "did you mean \"--json\"?"},
      {{"nics", "more"}, "nics: found the argument \"more\""},
      {{"metrics", "--json"}, "metrics: found --json"},
      {{"nics", "--color", "allways"},
       "--color: found \"allways\"; expected one of auto, always, never; did you mean \"always\"?"},
      {{"nics", "--control", ""}, "--control: found an empty path"},
      {{"nic"}, "nic: found no name"},
      {{"nic", "a", "lnik"},
       "nic a: found \"lnik\"; expected one of link, move, impair, detach; did you mean \"link\"?"},
      {{"nic", "a", "link"}, "nic a link: found no state; expected up or down"},
      {{"nic", "a", "link", "dwn"}, "did you mean \"down\"?"},
      {{"nic", "a", "link", "up", "x"}, "nic a link: found the argument \"x\""},
      {{"nic", "a", "detach", "x"}, "nic a detach: found the argument \"x\""},
      {{"nic", "a", "move"}, "nic a move: found no network"},
      {{"nic", "a", "impair"}, "nic a impair: found no impairment; expected such as latency_ms=50"},
      {{"nic", "a", "impair", "latency=5"}, "nic a impair: found \"latency\"; expected one of latency_ms, jitter_ms"},
      {{"nic", "a", "impair", "latency=5"}, "corrupt, rate_mbps, queue_kb, or none; did you mean \"latency_ms\"?"},
      {{"nic", "a", "impair", "up.los=5"}, "nic a impair: found \"up.los\""},
      {{"nic", "a", "impair", "up.los=5"}, "did you mean \"loss\"?"},
      {{"nic", "a", "impair", "loss_burst=5"}, "nic a impair: found \"loss_burst\""},
      {{"nic", "a", "impair", "loss"}, "nic a impair: loss: found \"\"; expected a share such as 0.02 or 2%"},
      {{"nic", "a", "impair", "latency_ms=5%"}, "latency_ms: found \"5%\"; expected a number"},
      {{"nic", "a", "impair", "queue_kb=1.5"}, "queue_kb: found \"1.5\"; expected a whole number"},
      {{"nic", "a", "impair", "jitter_reorders=1"}, "jitter_reorders: found \"1\"; expected true or false"},
      {{"nic", "a", "impair", "loss=1", "loss=0"}, "found loss a second time"},
      {{"nic", "a", "impair", "none", "loss=0"}, "nic a impair: found \"none\""},
      {{"network"}, "network: found no name"},
      {{"network", "n", "impiar"},
       "network n: found \"impiar\"; expected one of impair, nat, wan, blackhole, egress, reboot; did you mean "
       "\"impair\"?"},
      {{"network", "n", "nat"}, "network n nat: found no NAT; expected one of none, one2one"},
      {{"network", "n", "nat", "hrad"}, "network n nat: found \"hrad\"; expected one of none, one2one"},
      {{"network", "n", "nat", "hrad"}, "did you mean \"hard\"?"},
      {{"network", "n", "nat", "hard", "ports=random"},
       "network n nat: found \"hard\"; expected one of preset, mapping"},
      {{"network", "n", "nat", "hairpin=1"}, "hairpin: found \"1\"; expected true or false"},
      {{"network", "n", "nat", "udp_timeout_s=x"}, "udp_timeout_s: found \"x\"; expected a whole number"},
      {{"network", "n", "nat", "ports="}, "ports: found \"\"; expected a value"},
      {{"network", "n", "nat", "ports=random", "ports=random"}, "found ports a second time"},
      {{"network", "n", "wan"}, "network n wan: found no address"},
      {{"network", "n", "wan", "1.2.3.4", "1.2.3.5"}, "network n wan: found the argument \"1.2.3.5\""},
      {{"network", "n", "wan", "none", "1.2.3.5"}, "network n wan: found the argument \"1.2.3.5\""},
      {{"network", "n", "blackhole"}, "network n blackhole: found no word; expected add, rm or clear"},
      {{"network", "n", "blackhole", "ad"}, "did you mean \"add\"?"},
      {{"network", "n", "blackhole", "add"}, "network n blackhole add: found no prefix"},
      {{"network", "n", "blackhole", "clear", "x"}, "network n blackhole: found the argument \"x\""},
      {{"network", "n", "egress"}, "network n egress: found no state"},
      {{"network", "n", "egress", "no"}, "network n egress: found \"no\"; expected one of on, off"},
      {{"network", "n", "reboot", "now"}, "network n reboot: found the argument \"now\""},
      {{"network", "n", "impair"}, "network n impair: found no impairment"},
      {{"nic", "a", "rm"}, "did you mean vnet nic rm a?"},
      {{"nic", "add"}, "nic add: found no name"},
      {{"nic", "add", "a", "b"}, "nic add: found the argument \"b\""},
      {{"nic", "add", "a", "--link", "u"}, "nic add: --link: found \"u\"; expected one of up, down"},
      {{"nic", "add", "a", "--dgram", ""}, "nic add: --dgram: found no path"},
      {{"nic", "rm"}, "nic rm: found no name"},
      {{"mappings", "--limit", "0"}, "--limit"},
      {{"lease"}, "lease: found no command; expected one of rm"},
      {{"lease", "rm"}, "lease rm: found no address"},
      {{"dns", "st", "x"}, "dns: found the command \"st\"; expected one of set, rm; did you mean \"set\"?"},
      {{"dns", "set"}, "dns set: found no name"},
      {{"dns", "set", "x"}, "dns set: found no record"},
      {{"dns", "set", "x", "--ttl", "-1", "--a", "1"}, "--ttl"},
      {{"dns", "rm"}, "dns rm: found no name"},
      {{"capture", "start"}, "capture start: found no file"},
      {{"capture", "-w", "x", "start", "f"}, "capture start: found -w"},
      {{"capture", "--nic", "x", "stop", "1"}, "capture stop: found a flag before stop"},
      {{"capture", "stop"}, "capture stop: found no id"},
      {{"capture", "-w", ""}, "capture: -w: found no path"},
      {{"capture", "--snaplen", "262145"}, "--snaplen"},
      {{"events", "--since", "-1"}, "--since"},
      {{"top", "--interval", "0"}, "--interval"},
      {{"top", "--count", "0"}, "--count"},
      {{"grid", "--seed", "x"}, "--seed"},
      {{"grid", "--seed", "-1"}, "--seed"},
      {{"grid", "--html", ""}, "grid --html: found no path"},
      {{"restore"}, "restore: found no file"},
      {{"api"}, "api: found no method"},
      {{"api", "GTE", "/"}, "did you mean \"GET\"?"},
      {{"api", "GET"}, "api: found the path \"\""},
      {{"api", "GET", "/a b"}, "api: found the path \"/a b\""},
      {{"completion", "fish"}, "completion: found \"fish\"; expected one of bash, zsh"},
      {{"tap", "--mac", "1:2"}, "--mac: found \"1:2\", expected six pairs"},
      {{"tap", "--mac", "01:00:5e:00:00:01"}, "even first byte"},
      {{"tap", "--mac", "00:00:00:00:00:00"}, "not all zero"},
      {{"tap", "--name", "sixteen-bytes-16"}, "--name: found a name of 16 bytes, expected 1 to 15"},
      {{"tap", "--mtu", "67"}, "68 to 65520"},
      {{"tap", "--mtu", "65521"}, "68 to 65520"},
      {{"tap", "--mtu", "large"}, "--mtu"},
      {{"tap", "--queue", "0"}, "--queue"},
      {{"tap", "--socket", std::string(108, 'x')}, "--socket: found a path of 108 bytes, expected 1 to 107"},
      {{"tap", "--netns", ""}, "--netns"},
      {{"tap", "--netsn", "a"}, "did you mean \"--netns\"?"},
      {{"tap", "--control", "x"}, "tap: found an unknown flag \"--control\""},
      {{"tap", "extra"}, "extra"},
  };
  for (const auto& [words, expected] : cases) {
    const CommandLine line = line_of(words);
    const auto* exit = std::get_if<Exit>(&line.command);
    ASSERT_NE(exit, nullptr) << expected;
    EXPECT_EQ(exit->code, ExitCode::usage) << expected;
    EXPECT_THAT(exit->text, AllOf(HasSubstr(expected), HasSubstr("vnet --help")));
  }
}

}  // namespace
}  // namespace vnet::adapter
