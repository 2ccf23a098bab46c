#include "pcap/output.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "pcap/file_series.hpp"
#include "tests/pcap/capture_file.hpp"

namespace vnet::capture {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Output opened(const std::string& path) {
  auto output = Output::open(path);
  if (!output) throw std::runtime_error(output.error());
  return std::move(*output);
}

void put(const std::string& path, std::string_view text) { std::ofstream{path} << text; }

TEST(Output, NewFileIsForItsOwnerOnly) {
  const TemporaryFolder folder;
  Output output = opened(folder / "run.pcapng");
  EXPECT_EQ(output.write_some(as_bytes("abc")).value(), 3U);
  struct stat status {};
  ASSERT_EQ(::stat((folder / "run.pcapng").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0600U);
  EXPECT_EQ(status.st_size, 3);
}

TEST(Output, ErrorNamesThePathAndTheReason) {
  const auto output = Output::open("/nonexistent/run.pcapng");
  ASSERT_FALSE(output.has_value());
  EXPECT_EQ(output.error(), "/nonexistent/run.pcapng: No such file or directory");
}

TEST(Output, FifoWithoutReaderIsAnErrorAndNotAnEndlessWait) {
  const TemporaryFolder folder;
  ASSERT_EQ(::mkfifo((folder / "fifo").c_str(), 0600), 0);
  const auto output = Output::open(folder / "fifo");
  ASSERT_FALSE(output.has_value());
  EXPECT_THAT(output.error(), HasSubstr("nobody reads"));
}

TEST(Output, TerminalIsRefused) {
  Descriptor terminal{::posix_openpt(O_RDWR | O_NOCTTY)};
  if (!terminal.valid()) GTEST_SKIP() << "no pseudo-terminals here";
  const auto output = Output::adopt(std::move(terminal), "terminal");
  ASSERT_FALSE(output.has_value());
  EXPECT_THAT(output.error(), HasSubstr("is a terminal"));
}

TEST(Output, FullPipeTakesNothingAndDoesNotBlock) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  const Descriptor reader{ends[0]};
  auto output = Output::adopt(Descriptor{ends[1]}, "pipe");  // a blocking descriptor
  ASSERT_TRUE(output.has_value());
  const Bytes bytes(10'000, 1);
  std::size_t total = 0;
  while (const std::size_t written = output->write_some(bytes).value()) total += written;
  EXPECT_GE(total, 4096U);
  EXPECT_EQ(output->write_some(bytes).value(), 0U);
}

TEST(Output, FullSocketTakesNothingAndDoesNotBlock) {
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
  const Descriptor reader{ends[0]};
  auto output = Output::adopt(Descriptor{ends[1]}, "socket");
  ASSERT_TRUE(output.has_value());
  const Bytes bytes(100'000, 1);
  while (output->write_some(bytes).value() > 0) {
  }
  EXPECT_EQ(output->write_some(bytes).value(), 0U);
}

TEST(Output, FullDiskIsAnErrno) {
  if (::access("/dev/full", W_OK) != 0) GTEST_SKIP() << "no /dev/full here";
  Output output = opened("/dev/full");
  const auto written = output.write_some(as_bytes("abc"));
  ASSERT_FALSE(written.has_value());
  EXPECT_EQ(written.error(), ENOSPC);
}

TEST(FileSeries, NumberGoesBeforeTheExtension) {
  EXPECT_EQ(FileSeries::numbered("run.pcapng", 1), "run.1.pcapng");
  EXPECT_EQ(FileSeries::numbered("a.b/run.x.pcapng", 12), "a.b/run.x.12.pcapng");
  EXPECT_EQ(FileSeries::numbered("a.b/run", 3), "a.b/run.3");
  EXPECT_EQ(FileSeries::numbered(".hidden", 3), ".hidden.3");
}

TEST(FileSeries, CurrentFileKeepsItsNameAndOldOnesAreNumberedUpwards) {
  const TemporaryFolder folder;
  FileSeries series{folder / "run.pcapng", 0};
  Output output = opened(folder / "run.pcapng");
  for (const char* content : {"first", "second", "third"}) {
    (void)output.write_some(as_bytes(content));
    output = series.next(output).value();
  }
  EXPECT_THAT(folder.names(), ElementsAre("run.1.pcapng", "run.2.pcapng", "run.3.pcapng", "run.pcapng"));
  EXPECT_EQ(read_file(folder / "run.1.pcapng").size(), 5U);
  EXPECT_EQ(read_file(folder / "run.2.pcapng").size(), 6U);
  EXPECT_TRUE(read_file(folder / "run.pcapng").empty());
}

TEST(FileSeries, KeepsSoManyOldFilesAndNeverTouchesThoseOfEarlierRuns) {
  const TemporaryFolder folder;
  put(folder / "run.2.pcapng", "of an earlier run");
  FileSeries series{folder / "run.pcapng", 2};
  Output output = opened(folder / "run.pcapng");
  for (int i = 0; i < 5; ++i) output = series.next(output).value();
  EXPECT_THAT(folder.names(), ElementsAre("run.2.pcapng", "run.5.pcapng", "run.6.pcapng", "run.pcapng"));
  EXPECT_EQ(read_file(folder / "run.2.pcapng").size(), 17U);
}

TEST(FileSeries, AFileThatWasMovedAwayIsLeftWhereItIs) {
  const TemporaryFolder folder;
  FileSeries series{folder / "run.pcapng", 1};
  Output output = opened(folder / "run.pcapng");
  std::filesystem::rename(folder / "run.pcapng", folder / "interesting.pcapng");
  output = series.next(output).value();
  output = series.next(output).value();
  output = series.next(output).value();
  EXPECT_THAT(folder.names(), ElementsAre("interesting.pcapng", "run.2.pcapng", "run.pcapng"));
}

TEST(FileSeries, ADifferentFileInItsPlaceIsNotOverwritten) {
  const TemporaryFolder folder;
  FileSeries series{folder / "run.pcapng", 1};
  const Output output = opened(folder / "run.pcapng");
  std::filesystem::remove(folder / "run.pcapng");
  put(folder / "run.pcapng", "precious");
  const auto next = series.next(output);
  ASSERT_FALSE(next.has_value());
  EXPECT_THAT(next.error(), HasSubstr("File exists"));
  EXPECT_EQ(read_file(folder / "run.pcapng").size(), 8U);
}

}  // namespace
}  // namespace vnet::capture
