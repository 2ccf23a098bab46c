// runtime.jsonl: a line for each change, the later ones in the place of the earlier; damage is set aside and told.
#include "daemon/runtime_store.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <nlohmann/json.hpp>

#include "tests/support/temp_folder.hpp"

namespace vnet::daemon {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using vnet::test::TempFolder;

RuntimeChanges captures(std::string id) {
  RuntimeChanges changes;
  changes.captures = {{std::move(id), "/tmp/a.pcapng", {"alice"}, "arp", 0, 0, 0}};
  changes.zones = {{"internal", {{"host", "10.0.0.2"}}, ""}};
  return changes;
}

Nic make_nic(std::uint64_t number, Link link = Link::up) {
  Nic nic;
  nic.mac = MacAddress::from_u64(0x52cccccc0000U + number);
  nic.name = nic.hostname = "vm-" + std::to_string(number);
  nic.network = "lan";
  nic.link = link;
  return nic;
}

RuntimeChanges added(const Nic& nic) {
  Config with_it;
  with_it.nics = {nic};
  return difference({}, with_it);
}

class RuntimeStoreTest : public testing::Test {
 protected:
  RuntimeChanges load() { return RuntimeStore{folder_.path()}.load(messages_); }
  std::string file() { return folder_.read(RuntimeStore::kFileName); }

  const TempFolder folder_;
  RuntimeStore store_{folder_.path()};
  std::vector<std::string> messages_;
};

TEST_F(RuntimeStoreTest, WithoutAFileThereIsNothing) {
  EXPECT_TRUE(load().empty());
  EXPECT_THAT(messages_, IsEmpty());
}

TEST_F(RuntimeStoreTest, WhatIsWrittenIsLoaded) {
  ASSERT_TRUE(store_.rewrite(captures("1")));
  EXPECT_EQ(load(), captures("1"));
  ASSERT_TRUE(store_.append(captures("2")));
  EXPECT_EQ(load(), captures("2"));
  ASSERT_TRUE(store_.rewrite({}));
  EXPECT_TRUE(load().empty());
  EXPECT_THAT(messages_, IsEmpty());
  EXPECT_FALSE(folder_.has("runtime.jsonl.new"));
}

TEST_F(RuntimeStoreTest, NobodyElseMayReadIt) {
  ASSERT_TRUE(store_.rewrite(captures("1")));
  struct stat status {};
  ASSERT_EQ(::stat(folder_.path(RuntimeStore::kFileName).c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0600U);
}

TEST_F(RuntimeStoreTest, ALaterLineTakesThePlaceOfAnEarlierOne) {
  ASSERT_TRUE(store_.rewrite({}));
  ASSERT_TRUE(store_.append(added(make_nic(1))));
  ASSERT_TRUE(store_.append(added(make_nic(2))));
  ASSERT_TRUE(store_.append(added(make_nic(1, Link::down))));
  const RuntimeChanges all = load();
  ASSERT_THAT(all.nics, SizeIs(2));
  EXPECT_EQ(all.nics[0].now, make_nic(1, Link::down));
  EXPECT_EQ(all.nics[1].now, make_nic(2));
}

TEST_F(RuntimeStoreTest, AThousandChangesAreAThousandShortLines) {
  ASSERT_TRUE(store_.rewrite({}));
  for (std::uint64_t i = 0; i < 1000; ++i) ASSERT_TRUE(store_.append(added(make_nic(i))));
  EXPECT_THAT(load().nics, SizeIs(1000));
  EXPECT_LT(file().size(), 1000U * 1000);
  EXPECT_FALSE(store_.wants_rewrite());
}

TEST_F(RuntimeStoreTest, AsksToBeWrittenAnewWhenMostOfItIsOutOfDate) {
  ASSERT_TRUE(store_.rewrite(added(make_nic(1))));
  RuntimeChanges large = captures("1");
  large.captures[0].filter = std::string(100'000, ' ');
  int lines = 0;
  for (; !store_.wants_rewrite() && lines < 100; ++lines) ASSERT_TRUE(store_.append(large));
  EXPECT_EQ(lines, 11);
  ASSERT_TRUE(store_.rewrite(large));
  EXPECT_FALSE(store_.wants_rewrite());
  EXPECT_EQ(load(), large);
}

TEST_F(RuntimeStoreTest, ALastLineThatWasCutShortIsLeftOutAndNothingIsSaidOfIt) {
  ASSERT_TRUE(store_.rewrite({}));
  ASSERT_TRUE(store_.append(captures("1")));
  const std::string whole = file();
  ASSERT_TRUE(store_.append(captures("2")));
  const std::string both = file();
  for (std::size_t size = whole.size(); size < both.size(); ++size) {
    folder_.write(RuntimeStore::kFileName, both.substr(0, size));
    ASSERT_EQ(load(), captures("1")) << size;
  }
  EXPECT_THAT(messages_, IsEmpty());
}

TEST_F(RuntimeStoreTest, OtherDamageIsSetAsideAndToldAndTheRestCounts) {
  ASSERT_TRUE(store_.rewrite({}));
  ASSERT_TRUE(store_.append(added(make_nic(1))));
  const std::string first = file();
  for (const char* const bad :
       {"{", "", "{\"version\": 7}", "[1]", "\xff\xfe", "{\"version\":1,\"nics\":[{\"now\":3}]}"}) {
    messages_.clear();
    ASSERT_TRUE(store_.rewrite({}));
    ASSERT_TRUE(store_.append(added(make_nic(2))));
    const std::string damaged = first + bad + "\n" + file();
    folder_.write(RuntimeStore::kFileName, damaged);
    EXPECT_THAT(load().nics, SizeIs(2)) << bad;
    EXPECT_THAT(messages_, ElementsAre(AllOf(HasSubstr("runtime.jsonl: line 2: "), HasSubstr("set aside as"),
                                             HasSubstr("runtime.jsonl.damaged"))));
    EXPECT_FALSE(folder_.has(RuntimeStore::kFileName));
    EXPECT_EQ(folder_.read("runtime.jsonl.damaged"), damaged);
  }
}

TEST_F(RuntimeStoreTest, AFileThatIsTooLongIsSetAsideUnread) {
  folder_.write(RuntimeStore::kFileName, "");
  std::filesystem::resize_file(folder_.path(RuntimeStore::kFileName), RuntimeStore::kMaxBytes + 1);
  EXPECT_TRUE(load().empty());
  EXPECT_THAT(messages_, ElementsAre(HasSubstr("longer than")));
}

TEST_F(RuntimeStoreTest, AJournalThatCouldNotBeMadeIsASentenceWithTheFile) {
  RuntimeStore nowhere{folder_.path("missing")};
  const auto made = nowhere.rewrite(captures("1"));
  ASSERT_FALSE(made);
  EXPECT_THAT(made.error(), AllOf(HasSubstr("cannot make"), HasSubstr("missing/runtime.jsonl")));
  const auto appended = nowhere.append(captures("1"));
  ASSERT_FALSE(appended);
  EXPECT_THAT(appended.error(), HasSubstr("missing/runtime.jsonl"));
  std::filesystem::create_directory(folder_.path(RuntimeStore::kFileName));
  EXPECT_FALSE(store_.rewrite(captures("1")));
}

TEST_F(RuntimeStoreTest, TextThatIsNoUtf8DoesNotKeepTheRestFromBeingSaved) {
  RuntimeChanges changes = captures("1");
  changes.captures[0].file = "/tmp/\xff.pcapng";
  ASSERT_TRUE(store_.rewrite(changes));
  EXPECT_EQ(load().zones, captures("1").zones);
  EXPECT_THAT(messages_, IsEmpty());
}

}  // namespace
}  // namespace vnet::daemon
