// The lease store on folders and files that are not as it left them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "daemon/lease_store.hpp"
#include "tests/daemon/lease_fixture.hpp"
#include "tests/support/temp_folder.hpp"

namespace vnet::daemon {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(LeaseStore, EveryTruncationOpensAndKeepsTheWholeLines) {
  const std::string text = journal_of(4);
  for (std::size_t size = 0; size < text.size(); ++size) {
    const TempFolder folder;
    folder.write("leases.jsonl", text.substr(0, size));
    auto store = open(folder);
    ASSERT_NE(store, nullptr);
    const auto newlines = std::ranges::count(text.substr(0, size + 1), '\n');
    ASSERT_EQ(store->size(), static_cast<std::size_t>(std::max<std::ptrdiff_t>(newlines - 1, 0))) << size;
    const bool at_line_end = size > 0 && (text[size - 1] == '\n' || text[size] == '\n');
    ASSERT_EQ(store->take_messages().size(), at_line_end ? 0U : 1U) << size;
    ASSERT_EQ(folder.read("leases.jsonl.damaged-1"), at_line_end ? "" : text.substr(0, size));
    // The second time all is well.
    store.reset();
    ASSERT_THAT(open(folder)->take_messages(), IsEmpty()) << size;
  }
}

TEST(LeaseStore, EveryDamagedByteCostsOneLineAndIsTold) {
  const std::string text = journal_of(3);
  for (std::size_t at = 0; at < text.size(); ++at) {
    const TempFolder folder;
    std::string spoilt = text;
    spoilt[at] = static_cast<char>(spoilt[at] ^ 0x15);
    folder.write("leases.jsonl", spoilt);
    auto store = open(folder);
    ASSERT_NE(store, nullptr);
    ASSERT_GE(store->size(), text[at] == '\n' ? 1U : 2U) << at;
    ASSERT_EQ(store->take_messages().size(), 1U) << at;
    ASSERT_EQ(folder.read("leases.jsonl.damaged-1"), spoilt);
  }
}

TEST(LeaseStore, OldDamagedFilesGo) {
  const TempFolder folder;
  for (int i = 1; i <= 8; ++i) {
    folder.write("leases.jsonl", "garbage " + std::to_string(i));
    auto store = open(folder);
    EXPECT_THAT(store->take_messages(), ElementsAre(HasSubstr("leases.jsonl.damaged-1")));
  }
  EXPECT_THAT(files(folder),
              ElementsAre("leases.jsonl", "leases.jsonl.damaged-1", "leases.jsonl.damaged-2", "leases.jsonl.damaged-3",
                          "leases.jsonl.damaged-4", "leases.jsonl.damaged-5", "lock"));
  EXPECT_EQ(folder.read("leases.jsonl.damaged-1"), "garbage 8");
  EXPECT_EQ(folder.read("leases.jsonl.damaged-5"), "garbage 4");
}

TEST(LeaseStore, WhateverIsInTheJournalsPlaceIsSetAside) {
  const TempFolder folder;
  const auto opens = [&] {
    auto store = open(folder);
    EXPECT_THAT(store->take_messages(), ElementsAre(HasSubstr("leases.jsonl.damaged-1")));
    store->note("lan", granted(1, moment(3600).now), moment(0));
    EXPECT_TRUE(store->commit(moment(0)));
    store.reset();
    EXPECT_EQ(open(folder)->size(), 1U);
    std::filesystem::remove(folder.path("leases.jsonl"));
  };
  std::filesystem::create_directories(folder.path("leases.jsonl/inner"));
  opens();
  ASSERT_EQ(::mkfifo(folder.path("leases.jsonl").c_str(), 0600), 0);
  opens();
  std::filesystem::create_symlink("/dev/zero", folder.path("leases.jsonl"));
  opens();
  std::filesystem::create_symlink("leases.jsonl", folder.path("leases.jsonl"));
  opens();
  std::filesystem::create_directories(folder.path("leases.jsonl.new"));
  folder.write("leases.jsonl", std::string("\0\xff\x7f"
                                           "ELF",
                                           6) +
                                   std::string(100'000, '\0'));
  opens();
}

TEST(LeaseStore, JournalOfAnotherVersionKeepsWhatCanBeRead) {
  const TempFolder folder;
  const std::string lines = journal_of(2).substr(header_line().size());
  folder.write("leases.jsonl", seal_line(R"({"format":"vnet leases","version":2})") + lines);
  auto store = open(folder);
  EXPECT_EQ(store->size(), 2U);
  EXPECT_THAT(store->take_messages(), ElementsAre(HasSubstr("damaged lines: 1; leases kept: 2")));
}

TEST(LeaseStore, FolderIsMadeForItsUserOnly) {
  const TempFolder folder;
  ASSERT_TRUE(LeaseStore::open(folder.path("a/b/"), moment(0)));
  struct stat info {};
  for (const char* name : {"a", "a/b"}) {
    ASSERT_EQ(::stat(folder.path(name).c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777U, 0700U);
  }
  ASSERT_EQ(::stat(folder.path("a/b/leases.jsonl").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777U, 0600U);
}

TEST(LeaseStore, FolderThatCannotBeUsedIsAnErrorWithItsName) {
  const TempFolder folder;
  folder.write("file", "");
  for (const std::string& path : {folder.path("file"), folder.path("file/under"), std::string{"/proc/vnet-state"}}) {
    const auto store = LeaseStore::open(path, moment(0));
    ASSERT_FALSE(store);
    EXPECT_THAT(store.error(), HasSubstr(path));
  }
}

TEST(LeaseStore, SecondDaemonIsKeptOut) {
  const TempFolder folder;
  auto first = open(folder);
  const auto second = LeaseStore::open(folder.path(), moment(0));
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error(), "state folder " + folder.path() + " is in use by another vnetd (process " +
                                std::to_string(::getpid()) + ")");
  first.reset();
  EXPECT_TRUE(LeaseStore::open(folder.path(), moment(0)));
}

}  // namespace
}  // namespace vnet::daemon
