// The judges: Wireshark's capinfos and tshark, and libpcap's own reader.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pcap/pcap.h>
#include <signal.h>

#include "pcap/writer.hpp"
#include "tests/pcap/capture_file.hpp"

namespace vnet::capture {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

std::unique_ptr<Writer> create_example(Options options) {
  auto writer = Writer::create(std::move(options));
  if (!writer) throw std::runtime_error(writer.error());
  (*writer)->add_interface(InterfaceId{0}, "gateway", "gateway of lan");
  (*writer)->add_interface(kAlice, "alice", "52:cc:cc:cc:cc:01 on lan");
  return std::move(*writer);
}

/// Three packets, one of them dropped, and an event.
void record_example(const std::string& path) {
  const auto writer = create_example({.path = path, .filter = "arp", .application = "vnetd 0.1.0"});
  writer->record(kAlice, Direction::inbound, arp_request(), kStart);
  writer->record(InterfaceId{0}, Direction::outbound, arp_request(), start_plus(1000), DropReason::queue_full);
  writer->note(kAlice, "link down", start_plus(2000));
  writer->record(kAlice, Direction::inbound, arp_request(), start_plus(3001));
}

std::string tshark(const std::string& arguments) {
  const CommandResult result = run_command("tshark " + arguments);
  EXPECT_EQ(result.status, 0) << result.output;
  return result.output;
}

std::vector<std::string> lines(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream{text};
  for (std::string line; std::getline(stream, line);) {
    if (line.rfind("Running as user", 0) != 0) lines.push_back(line);
  }
  return lines;
}

TEST(Tools, CapinfosShowsApplicationInterfacesAndFilter) {
  if (const auto reason = lacking("capinfos")) GTEST_SKIP() << *reason;
  const TemporaryFolder folder;
  record_example(folder / "run.pcapng");
  const CommandResult result = run_command("capinfos " + folder / "run.pcapng");
  EXPECT_EQ(result.status, 0);
  for (const char* expected : {"Number of packets:   3", "Capture application: vnetd 0.1.0", "nanoseconds (9)",
                               "Number of interfaces in file: 2", "Name = alice", "Filter string = arp",
                               "Description = 52:cc:cc:cc:cc:01 on lan", "Number of stat entries = 1"}) {
    EXPECT_THAT(result.output, HasSubstr(expected));
  }
}

TEST(Tools, TsharkShowsDirectionDropReasonAndEvent) {
  if (const auto reason = lacking("tshark")) GTEST_SKIP() << *reason;
  const TemporaryFolder folder;
  const std::string path = folder / "run.pcapng";
  record_example(path);
  EXPECT_THAT(lines(tshark("-r " + path +
                           " -T fields -E separator=, -e frame.interface_name"
                           " -e frame.packet_flags_direction -e frame.comment -e _ws.col.Info")),
              ElementsAre("alice,0x00000001,,Who has 192.168.1.1? Tell 192.168.1.101",
                          "gateway,0x00000002,drop: queue-full,Who has 192.168.1.1? Tell 192.168.1.101",
                          ",,,alice: link down", "alice,0x00000001,,Who has 192.168.1.1? Tell 192.168.1.101"));
  EXPECT_EQ(lines(tshark("-r " + path + " -Y 'frame.comment contains \"drop:\"'")).size(), 1U);
  EXPECT_THAT(tshark("-r " + path + " -V"), Not(HasSubstr("Malformed")));
}

TEST(Tools, TsharkReadsTheStatistics) {
  if (const auto reason = lacking("tshark")) GTEST_SKIP() << *reason;
  const TemporaryFolder folder;
  record_example(folder / "run.pcapng");
  const std::string text = tshark("-r " + folder / "run.pcapng -V -X read_format:'MIME Files Format'");
  for (const char* expected :
       {"Number of Received Packets: 2", "Number of Dropped Packets: 0", "Number of Accepted by Filter Packets: 2",
        "Number of Delivered to the User Packets: 2"}) {
    EXPECT_NE(text.find(expected), std::string::npos) << expected;
  }
  EXPECT_EQ(text.find("Malformed"), std::string::npos);
}

TEST(Tools, LibpcapReadsThePacketsAndPassesOverTheEvents) {
  const TemporaryFolder folder;
  record_example(folder / "run.pcapng");
  char error[PCAP_ERRBUF_SIZE];
  pcap_t* file =
      pcap_open_offline_with_tstamp_precision((folder / "run.pcapng").c_str(), PCAP_TSTAMP_PRECISION_NANO, error);
  ASSERT_NE(file, nullptr) << error;
  EXPECT_EQ(pcap_datalink(file), DLT_EN10MB);
  pcap_pkthdr* header = nullptr;
  const std::uint8_t* data = nullptr;
  std::vector<long> fractions;
  int result = 0;
  while ((result = pcap_next_ex(file, &header, &data)) == 1) fractions.push_back(header->ts.tv_usec);
  EXPECT_EQ(result, PCAP_ERROR_BREAK) << pcap_geterr(file);
  EXPECT_THAT(fractions, ElementsAre(0, 1000, 3001));  // nanoseconds
  pcap_close(file);
}

TEST(Tools, CaptureIsReadableAfterKill9) {
  if (const auto reason = lacking("capinfos")) GTEST_SKIP() << *reason;
  const TemporaryFolder folder;
  const std::string path = folder / "run.pcapng";
  const pid_t child = ::fork();
  if (child == 0) {
    const auto writer = create_example({.path = path});
    for (int i = 0; i < 1000; ++i) writer->record(kAlice, Direction::inbound, arp_request(), start_plus(i));
    if (!eventually([&] { return writer->counters().written == 1000; })) ::_exit(1);
    ::kill(::getpid(), SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status)) << "the records did not reach the file in time";
  const CommandResult result = run_command("capinfos -c " + path);
  EXPECT_EQ(result.status, 0) << result.output;
  EXPECT_THAT(result.output, HasSubstr("Number of packets:   1000"));
}

TEST(Tools, KillInTheMidstOfTrafficCostsAtMostTheLastBlock) {
  if (const auto reason = lacking("tshark")) GTEST_SKIP() << *reason;
  const TemporaryFolder folder;
  const std::string path = folder / "run.pcapng";
  const pid_t child = ::fork();
  if (child == 0) {
    const auto writer = create_example({.path = path});
    for (int i = 0;; ++i) {
      writer->record(kAlice, Direction::inbound, arp_request(), start_plus(i));
      if (writer->counters().written > 20'000) ::kill(::getpid(), SIGKILL);
    }
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  // A write(2) that the kill interrupts ends in part of a block; tshark then shows all before it and says so.
  const CommandResult result = run_command("tshark -r " + path + " -T fields -e arp.opcode");
  EXPECT_TRUE(result.status == 0 || result.output.find("cut short in the middle of a packet") != std::string::npos);
  EXPECT_GE(std::ranges::count(lines(result.output), "1"), 20'000);
}

}  // namespace
}  // namespace vnet::capture
