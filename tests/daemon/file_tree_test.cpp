// What of a folder is opened, by the kernel's resolution and by our own steps.
#include "daemon/file_tree.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include <filesystem>

#include "tests/support/temp_folder.hpp"

namespace vnet::daemon {
namespace {

using Links = FileTree::Links;
using testing::ElementsAre;

class FileTreeTest : public testing::TestWithParam<Links> {
 protected:
  FileTreeTest() {
    folder_.write("secret", "secret");
    std::filesystem::create_directories(folder_.path("root/sub/deep"));
    folder_.write("root/a.txt", "aaa");
    folder_.write("root/sub/b.txt", "b");
    folder_.write("root/sub/deep/..c", "odd");
  }
  void link(const std::string& to, std::string_view name) const {
    std::filesystem::create_symlink(to, folder_.path("root/" + std::string{name}));
  }
  /// The contents, or why there are none.
  std::string open(const std::vector<std::string>& segments) {
    auto file = tree_.open(segments);
    if (!file) return file.error() == FileProblem::missing ? "missing" : "forbidden";
    if (file->is_folder) return "folder";
    std::string text(file->size, '\0');
    EXPECT_EQ(::pread(file->fd.get(), text.data(), text.size(), 0), static_cast<ssize_t>(text.size()));
    return text;
  }

  test::TempFolder folder_;
  FileTree tree_{folder_.path("root"), GetParam()};
};

INSTANTIATE_TEST_SUITE_P(Links, FileTreeTest, testing::Values(Links::within, Links::none),
                         [](const auto& links) { return links.param == Links::within ? "Within" : "None"; });

TEST_P(FileTreeTest, OpensFilesAndFolders) {
  EXPECT_EQ(open({"a.txt"}), "aaa");
  EXPECT_EQ(open({"sub", "b.txt"}), "b");
  EXPECT_EQ(open({"sub", "deep", "..c"}), "odd");
  EXPECT_EQ(open({}), "folder");
  EXPECT_EQ(open({"sub"}), "folder");
}

TEST_P(FileTreeTest, NothingElseIsThere) {
  for (const std::vector<std::string>& segments : std::vector<std::vector<std::string>>{
           {"missing"}, {"a.txt", "x"}, {"sub", "missing"}, {"missing", "b.txt"}, {std::string(300, 'x')}}) {
    EXPECT_EQ(open(segments), "missing");
  }
  EXPECT_EQ(open(std::vector<std::string>(5000, "x")), "missing") << "longer than a path may be";
}

TEST_P(FileTreeTest, NoSegmentLeadsUpwards) {
  for (const std::vector<std::string>& segments :
       std::vector<std::vector<std::string>>{{".."},
                                             {"..", "secret"},
                                             {"sub", "..", "..", "secret"},
                                             {"../secret"},
                                             {"sub/../../secret"},
                                             {"/etc/passwd"},
                                             {"", "etc", "passwd"},
                                             {"."},
                                             {"sub/b.txt"},
                                             {std::string("a.txt\0", 6)},
                                             {std::string("..\0", 3), "secret"}}) {
    EXPECT_EQ(open(segments), "missing");
  }
}

TEST_P(FileTreeTest, NoLinkLeadsOut) {
  link("../secret", "up");
  link(folder_.path("secret"), "absolute");
  link("/etc", "folder");
  link("..", "parent");
  link("sub/deep/../../../secret", "winding");
  link("loop", "loop");
  link("/proc/self/root", "magic");
  EXPECT_EQ(open({"up"}), "missing");
  EXPECT_EQ(open({"absolute"}), "missing");
  EXPECT_EQ(open({"folder"}), "missing");
  EXPECT_EQ(open({"folder", "passwd"}), "missing");
  EXPECT_EQ(open({"parent", "secret"}), "missing");
  EXPECT_EQ(open({"winding"}), "missing");
  EXPECT_EQ(open({"loop"}), "missing");
  EXPECT_EQ(open({"magic", "etc", "passwd"}), "missing");
}

TEST_P(FileTreeTest, LinksWithinWorkWhereTheKernelResolves) {
  link("sub/b.txt", "inside");
  link("sub", "folder");
  FileTree able{folder_.path("root")};
  const bool kernel = GetParam() == Links::within && able.open(std::vector<std::string>{"inside"}).has_value();
  EXPECT_EQ(open({"inside"}), kernel ? "b" : "missing");
  EXPECT_EQ(open({"folder", "b.txt"}), kernel ? "b" : "missing");
}

TEST_P(FileTreeTest, DevicesPipesAndSocketsAreNotServed) {
  ASSERT_EQ(::mkfifo(folder_.path("root/pipe").c_str(), 0600), 0);
  EXPECT_EQ(open({"pipe"}), "missing");
}

TEST_P(FileTreeTest, WhatWeMayNotReadIsForbidden) {
  ASSERT_EQ(::chmod(folder_.path("root/a.txt").c_str(), 0), 0);
  const bool root = ::geteuid() == 0;  // who may read everything
  if (root) {
    constexpr uid_t kNobody = 65'534;
    ASSERT_EQ(::chmod(folder_.path().c_str(), 0755), 0);
    ASSERT_EQ(::seteuid(kNobody), 0);
  }
  const std::string found = open({"a.txt"});
  if (root) {
    ASSERT_EQ(::seteuid(0), 0);
  }
  EXPECT_EQ(found, "forbidden");
}

TEST_P(FileTreeTest, TheRootIsLookedUpAnew) {
  std::filesystem::remove_all(folder_.path("root"));
  EXPECT_EQ(open({"a.txt"}), "missing");
  std::filesystem::create_directory(folder_.path("root"));
  folder_.write("root/a.txt", "new");
  EXPECT_EQ(open({"a.txt"}), "new");
}

TEST_P(FileTreeTest, AnotherVersionShows) {
  const std::vector<std::string> name{"a.txt"};
  const auto stamp = [&](long microseconds) {
    const timeval times[2] = {{1'700'000'000, 0}, {1'700'000'000, microseconds}};
    ASSERT_EQ(::utimes(folder_.path("root/a.txt").c_str(), times), 0);
  };
  stamp(1);
  const auto first = tree_.open(name);
  EXPECT_EQ(first->modified, 1'700'000'000);
  EXPECT_EQ(tree_.open(name)->version, first->version);
  stamp(2);
  EXPECT_NE(tree_.open(name)->version, first->version);
  folder_.write("root/a.txt", "aaaa");
  stamp(1);
  EXPECT_NE(tree_.open(name)->version, first->version);
}

TEST_P(FileTreeTest, ListsByName) {
  link("/etc", "a-link");
  ASSERT_EQ(::mkfifo(folder_.path("root/pipe").c_str(), 0600), 0);
  const FolderEntries found = list_folder(std::move(tree_.open({})->fd));
  std::vector<std::string> names;
  for (const FolderEntry& entry : found.entries) names.push_back(entry.name + (entry.is_folder ? "/" : ""));
  EXPECT_THAT(names, ElementsAre("a-link", "a.txt", "sub/"));
  EXPECT_TRUE(found.all);
}

TEST_P(FileTreeTest, ListsNoMoreThanItsLimit) {
  for (std::size_t i = 0; i <= FileTree::kMaxListed; ++i) folder_.write("root/sub/" + std::to_string(i), "");
  const FolderEntries found = list_folder(std::move(tree_.open(std::vector<std::string>{"sub"})->fd));
  EXPECT_EQ(found.entries.size(), FileTree::kMaxListed);
  EXPECT_FALSE(found.all);
}

}  // namespace
}  // namespace vnet::daemon
