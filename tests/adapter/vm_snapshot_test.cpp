#include <gmock/gmock.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "adapter/vm/digest.hpp"
#include "adapter/vm/folders.hpp"
#include "adapter/vm/snapshot.hpp"

namespace vnet::adapter {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string digest_in_pieces(std::string_view text, std::size_t piece) {
  Digest digest;
  for (std::size_t at = 0; at < text.size(); at += piece) digest.add(text.substr(at, piece));
  return digest.text();
}

TEST(Digest, IsWhatXxhsumSays) {
  EXPECT_EQ(digest_of(""), "99aa06d3014798d86001c324468d497f");
  EXPECT_EQ(digest_of("abc"), "06b05ab6733a618578af5f94892f3950");
  EXPECT_EQ(digest_in_pieces(std::string(300'000, 'a'), 4097), "72cdd349f0822318992858186c1e2e2a");
}

TEST(Digest, ThePiecesDoNotMatter) {
  const std::string text(1025, 'x');
  for (const std::size_t piece : {1U, 63U, 64U, 65U, 240U, 241U, 1024U}) {
    EXPECT_EQ(digest_in_pieces(text, piece), digest_of(text)) << piece;
  }
}

VmSpec spec_with(std::vector<VmNic> nics) {
  VmSpec spec{.name = "alice", .kernel = "/k"};
  spec.nics = std::move(nics);
  return spec;
}

VmNic nic(const char* mac, const char* model = "virtio-net-pci") {
  VmNic made{.name = std::string{"nic-"} + mac[16], .mac = MacAddress::parse(mac)};
  made.model = model;
  return made;
}

TEST(NicDifference, NamesWhatIsOther) {
  const VmSpec saved = spec_with({nic("52:cc:cc:cc:cc:01"), nic("52:cc:cc:cc:cc:02", "e1000")});
  EXPECT_THAT(nic_difference(saved, saved), IsEmpty());
  EXPECT_THAT(
      nic_difference(saved, spec_with({nic("52:cc:cc:cc:cc:01")})),
      AllOf(HasSubstr("saved with 2 NICs"), HasSubstr("restored with 1"), HasSubstr("e1000 52:cc:cc:cc:cc:02")));
  EXPECT_THAT(nic_difference(saved, spec_with({nic("52:cc:cc:cc:cc:01"), nic("52:cc:cc:cc:cc:02")})),
              AllOf(HasSubstr("NIC 2"), HasSubstr("e1000"), HasSubstr("restored as virtio-net-pci")));
  EXPECT_THAT(nic_difference(saved, spec_with({nic("52:cc:cc:cc:cc:09"), nic("52:cc:cc:cc:cc:02", "e1000")})),
              AllOf(HasSubstr("NIC 1"), HasSubstr("52:cc:cc:cc:cc:09")));
  EXPECT_THAT(nic_difference(saved, spec_with({nic("52:cc:cc:cc:cc:02", "e1000"), nic("52:cc:cc:cc:cc:01")})),
              HasSubstr("NIC 1"))
      << "the order is the machine's";
}

TEST(NicDifference, NamesNetworksAndAMissingMacAddressAreNone) {
  const VmSpec saved = spec_with({nic("52:cc:cc:cc:cc:01")});
  EXPECT_THAT(nic_difference(saved, spec_with({VmNic{.name = "other", .network = "lab"}})), IsEmpty());
}

TEST(LimitConnections, GivesEachNicItsShareAndWhatTheOthersLeave) {
  Json nics = Json::array({{{"connections", Json(std::size_t{3}, Json(0))}},
                           Json::object(),
                           {{"connections", Json(std::size_t{9000}, Json(0))}}});
  limit_connections(nics);
  EXPECT_EQ(nics[0]["connections"].size(), 3U);
  EXPECT_FALSE(nics[1].contains("connections"));
  EXPECT_EQ(nics[2]["connections"].size(), kMaxSavedConnections - 3);
}

class SnapshotTest : public ::testing::Test {
 protected:
  SnapshotTest() {
    std::string name = fs::temp_directory_path() / "vnet-snap-XXXXXX";
    folder_ = ::mkdtemp(name.data());
    ::setenv("XDG_STATE_HOME", folder_.c_str(), 1);
    write("kernel", "the kernel");
    write("qemu", "the program");
    manifest_.spec = spec_with({nic("52:cc:cc:cc:cc:01")});
    manifest_.spec.kernel = folder_ / "kernel";
    manifest_.spec.qemu = folder_ / "qemu";
    manifest_.kernel = mark("kernel");
    manifest_.qemu = mark("qemu");
    manifest_.qemu_version = "7.2.22";
    manifest_.state = {5, 0, digest_of("state")};
    manifest_.agent = true;
    manifest_.switch_memory = {{"version", 1}, {"nics", Json::array()}};
  }
  ~SnapshotTest() override {
    ::unsetenv("XDG_STATE_HOME");
    fs::remove_all(folder_);
  }

  void write(const std::string& name, const std::string& text) { std::ofstream{folder_ / name} << text; }
  FileMark mark(const std::string& name) {
    FileMark made = look_at_file(folder_ / name).value();
    made.digest = digest_of_file(folder_ / name).value();
    return made;
  }
  /// As a save does it: beside its place, then renamed.
  void place(const std::string& state) {
    const std::string fresh = snapshot_root() + "/.fresh";
    ASSERT_TRUE(make_private_folder(fresh).has_value());
    ASSERT_TRUE(write_file(fresh + "/state", state).has_value());
    ASSERT_TRUE(write_file(fresh + "/manifest.json", pretty(manifest_json(manifest_))).has_value());
    ASSERT_TRUE(place_snapshot(fresh, find_snapshot("warm")).has_value());
  }
  static std::string problem() {
    const auto opened = open_snapshot(find_snapshot("warm"));
    return opened ? "" : opened.error();
  }

  fs::path folder_;
  Manifest manifest_;
};

TEST_F(SnapshotTest, IsReadAsItWasWritten) {
  EXPECT_THAT(problem(), HasSubstr("there is no snapshot warm"));
  place("state");
  const auto opened = open_snapshot(find_snapshot("warm"));
  ASSERT_TRUE(opened.has_value()) << opened.error();
  EXPECT_EQ(*opened, manifest_);
  EXPECT_THAT(snapshot_names(), ::testing::ElementsAre("warm"));
}

TEST_F(SnapshotTest, ASecondOneTakesThePlaceOfTheFirstWhole) {
  place("state");
  manifest_.created = "later";
  place("state");
  EXPECT_EQ(open_snapshot(find_snapshot("warm"))->created, "later");
  std::size_t entries = 0;
  for ([[maybe_unused]] const auto& entry : fs::directory_iterator{snapshot_root()}) ++entries;
  EXPECT_EQ(entries, 1U) << "nothing is left beside it";
}

TEST_F(SnapshotTest, WhatIsNotWholeOrNotTheSameIsRefused) {
  place("stat");
  EXPECT_THAT(problem(), HasSubstr("found 4 bytes, expected 5"));
  place("stale");
  EXPECT_THAT(problem(), HasSubstr("its state is damaged"));
  place("state");
  write("kernel", "the Kernel");
  EXPECT_THAT(problem(), HasSubstr("is not the one that it was saved with"));
  write("kernel", "the kernel");
  EXPECT_THAT(problem(), IsEmpty()) << "another time, the same content";
  write("qemu", "a newer program");
  EXPECT_THAT(problem(), HasSubstr("QEMU 7.2.22"));
}

TEST_F(SnapshotTest, AMemoryOfItsOwnIsLookedThroughToo) {
  place("state");
  EXPECT_EQ(saved_guest(find_snapshot("warm"), manifest_).memory, "") << "it is in the state";
  manifest_.memory = {6, 0, digest_of("memory")};
  place("state");
  EXPECT_THAT(problem(), HasSubstr("its memory is not whole: found 0 bytes, expected 6"));
  const Snapshot snapshot = find_snapshot("warm");
  ASSERT_TRUE(write_file(snapshot.memory(), "memery").has_value());
  EXPECT_THAT(problem(), HasSubstr("its memory is damaged"));
  ASSERT_TRUE(write_file(snapshot.memory(), "memory").has_value());
  EXPECT_THAT(problem(), IsEmpty());
  const auto opened = open_snapshot(snapshot);
  ASSERT_TRUE(opened.has_value());
  EXPECT_EQ(*opened, manifest_);
  EXPECT_EQ(saved_guest(snapshot, *opened).state, snapshot.state());
  EXPECT_EQ(saved_guest(snapshot, *opened).memory, snapshot.memory());
}

TEST_F(SnapshotTest, DisksOfTheGuestsOwnAreInItAndOthersMustBeTheSame) {
  write("base", "never written");
  write("disk0", "as it was");
  manifest_.spec.disks = {{folder_ / "own", "raw"}, {folder_ / "base", "raw", true}};
  place("state");
  const Snapshot snapshot = find_snapshot("warm");
  fs::copy(folder_ / "disk0", snapshot.disk(0));
  manifest_.disks = {look_at_file(snapshot.disk(0)).value(), mark("base")};
  ASSERT_TRUE(write_file(snapshot.manifest(), pretty(manifest_json(manifest_))).has_value());
  EXPECT_THAT(problem(), IsEmpty());
  const SavedGuest saved = saved_guest(snapshot, manifest_);
  EXPECT_THAT(saved.disks, ::testing::ElementsAre(snapshot.disk(0), ""));
  EXPECT_THAT(saved.macs, ::testing::ElementsAre(*manifest_.spec.nics[0].mac));
  write("base", "written after all");
  EXPECT_THAT(problem(), HasSubstr("the disk"));
  write("base", "never written");
  std::ofstream{snapshot.disk(0)} << "as it is";
  EXPECT_THAT(problem(), HasSubstr("its disk is damaged"));
}

TEST_F(SnapshotTest, AManifestThatIsDamagedIsRefused) {
  place("state");
  const std::string good = pretty(manifest_json(manifest_));
  for (const auto& [from, to] : {std::pair{"\"version\": 2", "\"version\": 1"},
                                 {"\"mac\"", "\"macaroni\""},
                                 {"\"kernel\": \"", "\"kernel\": 7, \"x\": \""},
                                 {"{", "["}}) {
    std::string bad = good;
    bad.replace(bad.find(from), std::string_view{from}.size(), to);
    ASSERT_TRUE(write_file(find_snapshot("warm").manifest(), bad).has_value());
    EXPECT_THAT(problem(), HasSubstr("manifest")) << from;
  }
}

}  // namespace
}  // namespace vnet::adapter
