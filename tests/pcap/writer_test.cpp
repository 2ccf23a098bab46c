#include "pcap/writer.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "tests/pcap/capture_file.hpp"

namespace vnet::capture {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr InterfaceId kGateway{0};
constexpr InterfaceId kBob{2};

std::unique_ptr<Writer> create(Options options) {
  auto writer = Writer::create(std::move(options));
  if (!writer) throw std::runtime_error(writer.error());
  return std::move(*writer);
}

/// A capture to a file with a gateway and alice.
std::unique_ptr<Writer> create_with_interfaces(Options options) {
  auto writer = create(std::move(options));
  writer->add_interface(kGateway, "gateway", "gateway of lan");
  writer->add_interface(kAlice, "alice", "52:cc:cc:cc:cc:01 on lan");
  return writer;
}

/// Ends the capture and waits until its file is complete.
void finish(std::unique_ptr<Writer>& writer) {
  writer->stop();
  ASSERT_TRUE(eventually([&] { return writer->stopped(); }));
  EXPECT_EQ(writer->error(), "");
  writer.reset();
}

struct Pipe {
  Pipe() {
    int ends[2];
    if (::pipe(ends) != 0) throw std::runtime_error("pipe");
    reader = Descriptor{ends[0]};
    writer_fd = ends[1];
  }
  /// Reads until the writer's end is closed.
  [[nodiscard]] Bytes read_all() const {
    Bytes all;
    std::array<std::uint8_t, 65536> buffer{};
    for (ssize_t got = 0; (got = ::read(reader.get(), buffer.data(), buffer.size())) > 0;) {
      all.insert(all.end(), buffer.begin(), buffer.begin() + got);
    }
    return all;
  }
  Descriptor reader;
  int writer_fd;
};

TEST(Writer, RecordsFramesWithTimeDirectionAndReason) {
  const TemporaryFolder folder;
  const std::string path = folder / "run.pcapng";
  auto writer = create_with_interfaces({.path = path, .application = "vnetd 1.2"});
  const Bytes frame = arp_request();
  writer->record(kAlice, Direction::inbound, frame, start_plus(5));
  writer->record(kGateway, Direction::outbound, frame, start_plus(6), DropReason::queue_full);
  finish(writer);

  const auto blocks = read_blocks(read_file(path));
  ASSERT_FALSE(blocks.empty());
  EXPECT_EQ(blocks[0].text(4), "vnetd 1.2");
  const auto interfaces = of_type(blocks, block_type::kInterface);
  ASSERT_EQ(interfaces.size(), 2U);
  EXPECT_EQ(interfaces[0].text(2), "gateway");
  EXPECT_EQ(interfaces[1].text(3), "52:cc:cc:cc:cc:01 on lan");
  const auto packets = of_type(blocks, block_type::kPacket);
  ASSERT_EQ(packets.size(), 2U);
  EXPECT_EQ(packets[0].interface(), 1U);
  EXPECT_EQ(packets[0].packet(), frame);
  EXPECT_EQ(number_at<std::uint32_t>(packets[0].find(2)->value, 0), 1U);
  EXPECT_THAT(packets[0].comments(), IsEmpty());
  EXPECT_EQ(packets[1].interface(), 0U);
  EXPECT_EQ(number_at<std::uint32_t>(packets[1].find(2)->value, 0), 2U);
  EXPECT_THAT(packets[1].comments(), ElementsAre("drop: queue-full"));
  const std::uint64_t ns = (std::uint64_t{number_at<std::uint32_t>(packets[1].body, 4)} << 32) |
                           number_at<std::uint32_t>(packets[1].body, 8);
  EXPECT_EQ(ns, 1'700'000'000'000'000'006U);
}

TEST(Writer, InterfacesMayJoinWhileTheCaptureRuns) {
  const TemporaryFolder folder;
  const std::string path = folder / "run.pcapng";
  auto writer = create_with_interfaces({.path = path});
  writer->record(kAlice, Direction::inbound, arp_request(), kStart);
  writer->add_interface(kBob, "bob", "");
  writer->record(kBob, Direction::inbound, arp_request(), kStart);
  finish(writer);
  std::vector<std::uint32_t> types;
  for (const ReadBlock& block : read_blocks(read_file(path))) types.push_back(block.type);
  EXPECT_THAT(types, ElementsAre(block_type::kSection, 1, 1, 6, 1, 6, 5, 5, 5));
}

TEST(Writer, AnIdGivenAgainMeansTheNewInterface) {
  const TemporaryFolder folder;
  const std::string path = folder / "run.pcapng";
  auto writer = create_with_interfaces({.path = path});
  writer->record(kAlice, Direction::inbound, arp_request(), kStart);
  EXPECT_TRUE(writer->add_interface(kAlice, "carol", ""));
  writer->record(kAlice, Direction::inbound, arp_request(), kStart);
  finish(writer);
  const auto packets = of_type(read_blocks(read_file(path)), block_type::kPacket);
  ASSERT_EQ(packets.size(), 2U);
  EXPECT_EQ(packets[0].interface(), 1U);
  EXPECT_EQ(packets[1].interface(), 2U);
}

TEST(Writer, RecordsOnlyTheInterfacesAskedFor) {
  const TemporaryFolder folder;
  const std::string path = folder / "run.pcapng";
  auto writer = create({.path = path, .interfaces = {"bob"}});
  EXPECT_FALSE(writer->add_interface(kAlice, "alice", ""));
  EXPECT_TRUE(writer->add_interface(kBob, "bob", ""));
  EXPECT_FALSE(writer->wants(kAlice));
  EXPECT_TRUE(writer->wants(kBob));
  EXPECT_FALSE(writer->wants(InterfaceId{77}));
  writer->record(kAlice, Direction::inbound, arp_request(), kStart);
  writer->record(kBob, Direction::inbound, arp_request(), kStart);
  writer->record(InterfaceId{77}, Direction::inbound, arp_request(), kStart);
  writer->note(kAlice, "link down", kStart);
  EXPECT_EQ(writer->counters().received, 1U);
  finish(writer);
  const auto blocks = read_blocks(read_file(path));
  EXPECT_EQ(of_type(blocks, block_type::kInterface).size(), 1U);
  EXPECT_EQ(of_type(blocks, block_type::kPacket).size(), 1U);
  EXPECT_EQ(of_type(blocks, block_type::kJournal).size(), 0U);
}

TEST(Writer, InterfaceLimitsAreRefusedAndNotFatal) {
  auto writer = create({.path = "/dev/null"});
  EXPECT_FALSE(writer->add_interface(InterfaceId{kMaxInterfaceId + 1}, "far", ""));
  for (std::uint32_t i = 0; i < kMaxInterfaces; ++i) ASSERT_TRUE(writer->add_interface(InterfaceId{i}, "n", ""));
  EXPECT_FALSE(writer->add_interface(InterfaceId{kMaxInterfaces}, "one too many", ""));
  writer->record(InterfaceId{kMaxInterfaces}, Direction::inbound, arp_request(), kStart);
  EXPECT_EQ(writer->counters().received, 0U);
}

TEST(Writer, FilterChoosesAndTheStatisticsSaySo) {
  const TemporaryFolder folder;
  const std::string path = folder / "run.pcapng";
  auto writer = create_with_interfaces({.path = path, .filter = "not arp"});
  writer->record(kAlice, Direction::inbound, arp_request(), kStart);
  Bytes other = arp_request();
  other[12] = 0x88;
  writer->record(kAlice, Direction::inbound, other, kStart);
  finish(writer);
  const auto blocks = read_blocks(read_file(path));
  EXPECT_EQ(of_type(blocks, block_type::kPacket).size(), 1U);
  EXPECT_EQ(of_type(blocks, block_type::kInterface)[1].text(11), std::string("\0not arp", 8));
  const ReadBlock alice = of_type(blocks, block_type::kStatistics).at(1);
  EXPECT_EQ(alice.number(4), 2U);  // isb_ifrecv
  EXPECT_EQ(alice.number(5), 0U);  // isb_ifdrop
  EXPECT_EQ(alice.number(6), 1U);  // isb_filteraccept
  EXPECT_EQ(alice.number(8), 1U);  // isb_usrdeliv
}

TEST(Writer, SnaplenCutsTheFrameButNotItsLengthNorTheFilter) {
  const TemporaryFolder folder;
  const std::string path = folder / "run.pcapng";
  auto writer = create_with_interfaces({.path = path, .filter = "arp[24:4] = 0xc0a80101", .snaplen = 14});
  writer->record(kAlice, Direction::inbound, arp_request(), kStart);
  writer->record(kAlice, Direction::inbound, ByteView{arp_request()}.first(9), kStart);
  finish(writer);
  const auto packets = of_type(read_blocks(read_file(path)), block_type::kPacket);
  ASSERT_EQ(packets.size(), 1U);
  EXPECT_EQ(packets[0].packet().size(), 14U);
  EXPECT_EQ(number_at<std::uint32_t>(packets[0].body, 16), 42U);
}

TEST(Writer, EmptyAndLongestFramesAreRecorded) {
  const TemporaryFolder folder;
  const std::string path = folder / "run.pcapng";
  auto writer = create_with_interfaces({.path = path, .ring_bytes = 1});
  const Bytes longest(65'550, 0x42);
  writer->record(kAlice, Direction::inbound, {}, kStart, DropReason::empty);
  writer->record(kAlice, Direction::inbound, longest, kStart);
  finish(writer);
  const auto packets = of_type(read_blocks(read_file(path)), block_type::kPacket);
  ASSERT_EQ(packets.size(), 2U);
  EXPECT_TRUE(packets[0].packet().empty());
  EXPECT_EQ(packets[1].packet(), longest);
}

TEST(Writer, EventsAreInterleavedWithPackets) {
  const TemporaryFolder folder;
  const std::string path = folder / "run.pcapng";
  auto writer = create_with_interfaces({.path = path});
  writer->record(kAlice, Direction::inbound, arp_request(), kStart);
  writer->note(kAlice, "link down", start_plus(1000));
  writer->record(kAlice, Direction::inbound, arp_request(), start_plus(2000));
  finish(writer);
  const auto blocks = read_blocks(read_file(path));
  ASSERT_EQ(blocks.size(), 8U);
  EXPECT_EQ(blocks[4].type, block_type::kJournal);
  EXPECT_THAT(std::string(blocks[4].body.begin(), blocks[4].body.end()), HasSubstr("MESSAGE=alice: link down\n"));
}

TEST(Writer, WhatWasRecordedReachesTheFileWithoutStopping) {
  const TemporaryFolder folder;
  const std::string path = folder / "run.pcapng";
  auto writer = create_with_interfaces({.path = path});
  for (int i = 0; i < 3; ++i) {
    writer->record(kAlice, Direction::inbound, arp_request(), kStart);
    const auto expected = static_cast<std::size_t>(i) + 1;
    ASSERT_TRUE(eventually([&] { return writer->counters().written == expected; }));
    EXPECT_EQ(of_type(read_blocks(read_file(path)), block_type::kPacket).size(), expected);
    std::this_thread::sleep_for(std::chrono::milliseconds{5});  // the writer thread falls asleep in between
  }
}

TEST(Writer, SeveralCapturesAtOnceAreIndependent) {
  const TemporaryFolder folder;
  auto all = create_with_interfaces({.path = folder / "all.pcapng"});
  auto none = create_with_interfaces({.path = folder / "none.pcapng", .filter = "ip6"});
  for (const auto& writer : {all.get(), none.get()}) {
    writer->record(kAlice, Direction::inbound, arp_request(), kStart);
  }
  finish(all);
  finish(none);
  EXPECT_EQ(of_type(read_blocks(read_file(folder / "all.pcapng")), block_type::kPacket).size(), 1U);
  EXPECT_EQ(of_type(read_blocks(read_file(folder / "none.pcapng")), block_type::kPacket).size(), 0U);
}

TEST(Writer, SlowReaderLosesRecordsWhichAreCountedInTheCapture) {
  Pipe pipe;
  auto writer = create_with_interfaces({.fd = pipe.writer_fd, .ring_bytes = kMinRingBytes});
  const Bytes frame(1500, 0x42);
  std::uint64_t offered = 0;
  while (writer->counters().lost < 10) {
    writer->record(kAlice, Direction::inbound, frame, start_plus(static_cast<std::int64_t>(offered)));
    ++offered;
  }
  const std::uint64_t fitted = offered - 10;

  Bytes stream;
  std::thread reader{[&] { stream = pipe.read_all(); }};
  EXPECT_TRUE(eventually([&] { return writer->counters().written == fitted; }));
  writer->record(kAlice, Direction::inbound, frame, kStart);
  writer->record(kAlice, Direction::inbound, frame, kStart);
  finish(writer);
  reader.join();

  const auto blocks = read_blocks(stream);
  const auto packets = of_type(blocks, block_type::kPacket);
  ASSERT_EQ(packets.size(), fitted + 2);
  EXPECT_EQ(packets[fitted].number(4), 10U);  // epb_dropcount
  EXPECT_THAT(packets[fitted].comments(), ElementsAre("10 records lost: the writer fell behind"));
  EXPECT_THAT(packets[fitted + 1].comments(), IsEmpty());
  const ReadBlock alice = of_type(blocks, block_type::kStatistics).at(1);
  EXPECT_EQ(alice.number(4), offered + 2);
  EXPECT_EQ(alice.number(5), 10U);
  EXPECT_EQ(alice.number(8), fitted + 2);
  EXPECT_THAT(alice.comments(), ElementsAre("10 records lost: the writer fell behind"));
}

TEST(Writer, InterfaceAddedWhileTheRingIsFullIsDescribedLater) {
  Pipe pipe;
  auto writer = create_with_interfaces({.fd = pipe.writer_fd, .ring_bytes = kMinRingBytes});
  const Bytes tiny(14, 0x42);
  while (writer->counters().lost < 100) writer->record(kAlice, Direction::inbound, tiny, kStart);
  EXPECT_TRUE(writer->add_interface(kBob, "bob", std::string(200, 'x')));
  writer->record(kBob, Direction::inbound, tiny, kStart);
  const std::uint64_t fitted = writer->counters().accepted - writer->counters().lost;

  Bytes stream;
  std::thread reader{[&] { stream = pipe.read_all(); }};
  EXPECT_TRUE(eventually([&] { return writer->counters().written == fitted; }));
  writer->record(kBob, Direction::inbound, tiny, kStart);
  finish(writer);
  reader.join();

  const auto blocks = read_blocks(stream);
  ASSERT_EQ(of_type(blocks, block_type::kInterface).size(), 3U);
  const ReadBlock last = of_type(blocks, block_type::kPacket).back();
  EXPECT_EQ(last.interface(), 2U);
  EXPECT_THAT(last.comments(), ElementsAre("1 record lost: the writer fell behind"));
}

TEST(Writer, ReaderThatNeverReadsDelaysTheEndByABoundedTime) {
  Pipe pipe;
  auto writer = create_with_interfaces({.fd = pipe.writer_fd});
  const Bytes frame(1500, 0x42);
  for (int i = 0; i < 1000; ++i) writer->record(kAlice, Direction::inbound, frame, kStart);
  writer->stop();
  const auto begin = std::chrono::steady_clock::now();
  ASSERT_TRUE(eventually([&] { return writer->stopped(); }));
  writer.reset();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 2 * kDrainLimit);
}

TEST(Writer, ReaderThatGoesAwayEndsTheCaptureOfASilentNetwork) {
  for (const bool socket : {false, true}) {
    Pipe ends;
    if (socket) {
      int pair[2];
      ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
      ::close(ends.writer_fd);
      ends.reader = Descriptor{pair[0]};
      ends.writer_fd = pair[1];
    }
    auto writer = create_with_interfaces({.fd = ends.writer_fd});
    std::this_thread::sleep_for(std::chrono::milliseconds{5});
    EXPECT_FALSE(writer->stopped());
    ends.reader.reset();
    EXPECT_TRUE(eventually([&] { return writer->stopped(); }));
    EXPECT_EQ(writer->error(), "capture stream: Broken pipe");
    writer->record(kAlice, Direction::inbound, arp_request(), kStart);
    EXPECT_EQ(writer->counters().received, 0U);
  }
}

TEST(Writer, FullDiskEndsTheCaptureAndNothingElse) {
  if (::access("/dev/full", W_OK) != 0) GTEST_SKIP() << "no /dev/full here";
  auto writer = create_with_interfaces({.path = "/dev/full"});
  ASSERT_TRUE(eventually([&] { return writer->stopped(); }));
  EXPECT_EQ(writer->error(), "/dev/full: No space left on device");
  for (int i = 0; i < 10; ++i) writer->record(kAlice, Direction::inbound, arp_request(), kStart);
}

TEST(Writer, FileThatMayNotGrowIsCutBackToWholeBlocks) {
  const TemporaryFolder folder;
  const std::string path = folder / "run.pcapng";
  const pid_t child = ::fork();  // the limit must not hit this process
  if (child == 0) {
    const rlimit limit{100'000, 100'000};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    auto writer = create_with_interfaces({.path = path});
    const Bytes frame(999, 0x42);
    while (!writer->stopped()) {
      writer->record(kAlice, Direction::inbound, frame, kStart);
      std::this_thread::sleep_for(std::chrono::microseconds{10});
    }
    const bool expected = writer->error() == path + ": File too large";
    writer.reset();
    ::_exit(expected ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  const auto packets = of_type(read_blocks(read_file(path)), block_type::kPacket);
  EXPECT_GT(packets.size(), 0U);
}

TEST(Writer, RotatesAtBlockBoundariesAndEveryFileStandsAlone) {
  const TemporaryFolder folder;
  auto writer = create_with_interfaces({.path = folder / "run.pcapng", .rotate_bytes = 10'000});
  const Bytes frame(1000, 0x42);
  constexpr std::size_t kFrames = 50;
  for (std::size_t i = 0; i < kFrames; ++i) {
    if (i == 25) writer->add_interface(kBob, "bob", "");
    writer->record(i < 25 ? kAlice : kBob, Direction::inbound, frame, start_plus(static_cast<std::int64_t>(i)));
  }
  finish(writer);
  ASSERT_EQ(folder.names().size(), 6U);
  EXPECT_THAT(folder.names(), Contains("run.5.pcapng"));
  std::size_t total = 0;
  for (const std::string& name : folder.names()) {
    SCOPED_TRACE(name);
    const Bytes file = read_file(folder / name);
    const auto blocks = read_blocks(file);
    const auto interfaces = of_type(blocks, block_type::kInterface);
    const auto packets = of_type(blocks, block_type::kPacket);
    const auto statistics = of_type(blocks, block_type::kStatistics);
    EXPECT_LT(file.size(), 10'500U);  // the statistics come on top
    EXPECT_EQ(blocks.front().type, block_type::kSection);
    EXPECT_EQ(interfaces[1].text(2), "alice");
    EXPECT_EQ(statistics.size(), interfaces.size());
    for (const ReadBlock& packet : packets) EXPECT_LT(packet.interface(), interfaces.size());
    total += packets.size();
  }
  EXPECT_EQ(total, kFrames);
}

TEST(Writer, RotationKeepsOnlySoManyFiles) {
  const TemporaryFolder folder;
  auto writer = create_with_interfaces({.path = folder / "run.pcapng", .rotate_bytes = 1, .keep = 2});
  for (int i = 0; i < 10; ++i) writer->record(kAlice, Direction::inbound, arp_request(), kStart);
  finish(writer);
  EXPECT_THAT(folder.names(), ElementsAre("run.8.pcapng", "run.9.pcapng", "run.pcapng"));
}

TEST(Writer, AFileThatIsThereIsEmptiedUnlessItIsToBeKept) {
  const TemporaryFolder folder;
  const auto put = [&](const char* name, std::string_view text) { std::ofstream{folder / name} << text; };
  const auto content = [&](const char* name) { return std::string{as_text(read_file(folder / name))}; };
  put("run.pcapng", "old");
  auto writer = create_with_interfaces({.path = folder / "run.pcapng"});
  finish(writer);
  EXPECT_THAT(folder.names(), ElementsAre("run.pcapng"));

  put("run.pcapng", "older");
  put("run.1.pcapng", "somebody's");
  writer = create_with_interfaces({.path = folder / "run.pcapng", .keep_existing = true});
  writer->record(kAlice, Direction::inbound, arp_request(), kStart);
  finish(writer);
  EXPECT_THAT(folder.names(), ElementsAre("run.1.pcapng", "run.2.pcapng", "run.pcapng"));
  EXPECT_EQ(content("run.1.pcapng"), "somebody's");
  EXPECT_EQ(content("run.2.pcapng"), "older");
  EXPECT_EQ(of_type(read_blocks(read_file(folder / "run.pcapng")), block_type::kPacket).size(), 1U);
}

TEST(Writer, WhatIsKeptIsNotCountedAmongTheFilesOfARotation) {
  const TemporaryFolder folder;
  std::ofstream{folder / "run.pcapng"} << "old";
  auto writer =
      create_with_interfaces({.path = folder / "run.pcapng", .rotate_bytes = 1, .keep = 1, .keep_existing = true});
  for (int i = 0; i < 4; ++i) writer->record(kAlice, Direction::inbound, arp_request(), kStart);
  finish(writer);
  EXPECT_THAT(folder.names(), ElementsAre("run.1.pcapng", "run.4.pcapng", "run.pcapng"));
}

TEST(Writer, NothingIsPutAsideForAnEmptyFileOrADevice) {
  const TemporaryFolder folder;
  std::ofstream{folder / "run.pcapng"};
  auto writer = create_with_interfaces({.path = folder / "run.pcapng", .keep_existing = true});
  finish(writer);
  EXPECT_THAT(folder.names(), ElementsAre("run.pcapng"));
  writer = create_with_interfaces({.path = "/dev/null", .keep_existing = true});
  finish(writer);
  EXPECT_TRUE(std::filesystem::exists("/dev/null"));
}

TEST(Writer, AWrongFilterPutsNothingAside) {
  const TemporaryFolder folder;
  std::ofstream{folder / "run.pcapng"} << "old";
  EXPECT_FALSE(Writer::create({.path = folder / "run.pcapng", .filter = "bogus&", .keep_existing = true}));
  EXPECT_THAT(folder.names(), ElementsAre("run.pcapng"));
}

TEST(Writer, MistakesAreReportedBeforeAnythingRuns) {
  const TemporaryFolder folder;
  Pipe pipe;
  const auto error = [](Options options) {
    auto writer = Writer::create(std::move(options));
    return writer ? std::string{"(none)"} : writer.error();
  };
  EXPECT_EQ(error({.path = "/nonexistent/x"}), "capture /nonexistent/x: No such file or directory");
  EXPECT_THAT(error({.path = folder / "x", .filter = "bogus&"}), HasSubstr("capture filter \"bogus&\": "));
  EXPECT_FALSE(std::filesystem::exists(folder / "x")) << "a wrong filter must not empty a file";
  EXPECT_THAT(error({.path = "/dev/null", .rotate_bytes = 1}), HasSubstr("only a regular file"));
  EXPECT_THAT(error({.fd = pipe.writer_fd, .filter = "bogus&"}), HasSubstr("filter"));
  EXPECT_THAT(pipe.read_all(), IsEmpty()) << "the descriptor must be closed on failure too";
}

TEST(Writer, StopIgnoresWhatComesLater) {
  const TemporaryFolder folder;
  auto writer = create_with_interfaces({.path = folder / "run.pcapng"});
  writer->record(kAlice, Direction::inbound, arp_request(), kStart);
  writer->stop();
  writer->record(kAlice, Direction::inbound, arp_request(), kStart);
  writer->note(kAlice, "link down", kStart);
  ASSERT_TRUE(eventually([&] { return writer->stopped(); }));
  EXPECT_EQ(writer->counters().written, 1U);
}

TEST(Writer, SleepsWhileNothingHappens) {
  auto writer = create_with_interfaces({.path = "/dev/null"});
  writer->record(kAlice, Direction::inbound, arp_request(), kStart);
  std::this_thread::sleep_for(std::chrono::milliseconds{20});
  const auto switches = [] {
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    return usage.ru_nvcsw;
  };
  const long before = switches();
  std::this_thread::sleep_for(std::chrono::milliseconds{200});
  EXPECT_LE(switches() - before, 20) << "200 polls of 1 ms would be 200 context switches";
}

}  // namespace
}  // namespace vnet::capture
