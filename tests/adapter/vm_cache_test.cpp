#include <gmock/gmock.h>
#include <sys/stat.h>

#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "adapter/vm/cache.hpp"
#include "adapter/vm/digest.hpp"
#include "adapter/vm/digest_book.hpp"
#include "adapter/vm/disk_copies.hpp"
#include "adapter/vm/folders.hpp"

namespace vnet::adapter {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class CacheTest : public ::testing::Test {
 protected:
  CacheTest() {
    std::string name = fs::temp_directory_path() / "vnet-cache-XXXXXX";
    folder_ = ::mkdtemp(name.data());
    ::setenv("XDG_CACHE_HOME", folder_.c_str(), 1);
    ::setenv("XDG_STATE_HOME", folder_.c_str(), 1);
    write("kernel", "the kernel");
    write("image", "the image");
    write("qemu", "the program");
    spec_.name = "alice";
    spec_.kernel = folder_ / "kernel";
    spec_.qemu = folder_ / "qemu";
    spec_.disks = {{folder_ / "image", "raw", false, true}};
    spec_.nics = {{.name = "alice", .mac = MacAddress::parse("52:cc:cc:cc:cc:01"), .network = "home"}};
    EXPECT_TRUE(make_private_folder(cache_root()).has_value());
  }
  ~CacheTest() override {
    ::unsetenv("XDG_CACHE_HOME");
    ::unsetenv("XDG_STATE_HOME");
    fs::remove_all(folder_);
  }
  void write(const std::string& name, const std::string& text) { std::ofstream{folder_ / name} << text; }
  static std::string text_of(const fs::path& file) {
    std::stringstream text;
    text << std::ifstream{file}.rdbuf();
    return text.str();
  }
  std::string key() { return cache_key(spec_, "tcg").value(); }

  fs::path folder_;
  VmSpec spec_;
};

TEST_F(CacheTest, NamesAndAddressesAreNotInTheKey) {
  const std::string first = key();
  EXPECT_EQ(first.size(), 32U);
  spec_.name = "bob";
  spec_.nics[0] = {.name = "bob", .mac = std::nullopt, .network = "lab", .assign = true};
  EXPECT_EQ(key(), first);
  fs::copy(folder_ / "image", folder_ / "the-same");
  spec_.disks[0].file = folder_ / "the-same";
  EXPECT_EQ(key(), first) << "files are known by their content";
}

TEST_F(CacheTest, AllElseIs) {
  std::set<std::string> keys = {key()};
  const auto is_another = [&] { return keys.insert(key()).second; };
  spec_.memory_mib *= 2;
  EXPECT_TRUE(is_another());
  spec_.append = "quiet";
  EXPECT_TRUE(is_another());
  spec_.nics.push_back(spec_.nics[0]);
  EXPECT_TRUE(is_another());
  spec_.nics[1].model = "e1000";
  EXPECT_TRUE(is_another());
  write("image", "another image");
  EXPECT_TRUE(is_another());
  write("kernel", "another kernel");
  EXPECT_TRUE(is_another());
  write("qemu", "another program");
  EXPECT_TRUE(is_another());
  EXPECT_TRUE(keys.insert(cache_key(spec_, "kvm").value()).second);
}

TEST_F(CacheTest, WhatCannotBeCachedIsSaid) {
  spec_.disks[0].copy = false;
  EXPECT_THAT(cache_key(spec_, "tcg").error(), HasSubstr("expected --image"));
  spec_.disks[0] = {folder_ / "none", "raw", true};
  EXPECT_THAT(cache_key(spec_, "tcg").error(), HasSubstr("cannot read"));
}

TEST_F(CacheTest, WhatNoFileFitsAnyMoreIsStale) {
  const std::string of = key();
  const Snapshot entry = cache_entry(of);
  ASSERT_TRUE(make_private_folder(entry.folder).has_value());
  Manifest manifest{.spec = spec_, .accel = "tcg", .disks = {{}}};
  ASSERT_TRUE(write_file(entry.manifest(), pretty(manifest_json(manifest))).has_value());
  EXPECT_EQ(prune_cache(true).removed, 0U);
  ASSERT_EQ(cached_guests().size(), 1U);
  EXPECT_EQ(cached_guests().front().key, of);
  write("kernel", "a newer kernel");
  EXPECT_EQ(prune_cache(true).removed, 1U);
  EXPECT_THAT(cached_guests(), ::testing::IsEmpty());
}

TEST_F(CacheTest, ADamagedDigestBookIsNotBelieved) {
  const std::string first = key();
  for (const char* bad : {"", "[]", "{\"x\":1}", "{"}) {
    ASSERT_TRUE(write_file(cache_root() + "/digests.json", bad).has_value());
    EXPECT_EQ(key(), first) << bad;
  }
}

TEST_F(CacheTest, AFileIsLookedThroughOnceUnlessItWasTouched) {
  const std::string file = folder_ / "image";
  const std::string book = folder_ / "book";
  const std::string whole = digest_of("the image");
  EXPECT_EQ(DigestBook{book}.of(file), whole);
  EXPECT_FALSE(fs::exists(book)) << "it has changed a moment ago";
  const std::time_t later = std::time(nullptr) + 60;
  EXPECT_EQ(DigestBook{book}.of(file, later), whole);
  std::string text = text_of(book);
  ASSERT_THAT(text, HasSubstr(whole));
  // That a digest is believed can be seen by one that is wrong.
  const std::string other = digest_of("another");
  text.replace(text.find(whole), whole.size(), other);
  write("book", text);
  EXPECT_EQ(DigestBook{book}.of(file), other);

  // The time of modification can be set back, the time of change cannot.
  const auto before = fs::last_write_time(file);
  write("image", "the imagE");
  fs::last_write_time(file, before);
  EXPECT_EQ(DigestBook{book}.of(file), digest_of("the imagE"));

  write("image", "the image");
  EXPECT_EQ(DigestBook{book}.of(file, later), whole);
  text = text_of(book);
  text.replace(text.find(boot_id().substr(0, 8)), 8, "ffffffff");
  text.replace(text.find(whole), whole.size(), other);
  write("book", text);
  EXPECT_EQ(DigestBook{book}.of(file), whole) << "the machine has booted since";
  EXPECT_EQ(DigestBook{book}.of(folder_ / "none"), std::nullopt);
}

TEST_F(CacheTest, CopiesOfDisksHaveTheContentAndTheHoles) {
  constexpr std::uintmax_t kSize = 64 * 1024 * 1024;
  fs::resize_file(folder_ / "image", kSize);
  std::fstream{folder_ / "image", std::ios::in | std::ios::out}.seekp(kSize - 3).write("end", 3);
  ASSERT_TRUE(copy_sparse(folder_ / "image", folder_ / "copy").has_value());
  EXPECT_EQ(text_of(folder_ / "copy"), text_of(folder_ / "image"));
  struct stat info {};
  ASSERT_EQ(::stat((folder_ / "copy").c_str(), &info), 0);
  EXPECT_LT(info.st_blocks * 512, 8 * 1024 * 1024);
  EXPECT_EQ(info.st_mode & 0777U, 0600U);
  EXPECT_FALSE(copy_sparse(folder_ / "none", folder_ / "copy").has_value());
}

TEST_F(CacheTest, AVmsCopiesGoWithIt) {
  spec_.disks.push_back({folder_ / "kernel", "raw", true});
  write("kept", "as it was saved");
  {
    const auto copies = DiskCopies::make(spec_, {});
    ASSERT_TRUE(copies.has_value()) << copies.error().to_string();
    EXPECT_THAT(copies->files(), ElementsAre(disk_folder("alice") + "/0", folder_ / "kernel"));
    EXPECT_EQ(text_of(copies->files()[0]), "the image");
  }
  EXPECT_FALSE(fs::exists(disk_folder("alice")));
  const auto copies = DiskCopies::make(spec_, {folder_ / "kept", ""});
  EXPECT_EQ(text_of(copies->files()[0]), "as it was saved");
}

}  // namespace
}  // namespace vnet::adapter
