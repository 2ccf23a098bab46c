// With which run-time changes a daemon begins.
#include "daemon/startup.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "daemon/runtime_store.hpp"
#include "tests/daemon/config_testing.hpp"
#include "tests/support/temp_folder.hpp"

namespace vnet::daemon {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using vnet::test::TempFolder;

class StartupTest : public testing::Test {
 protected:
  StartupTest() {
    file_ = loaded(R"({"networks": [{"name": "home", "ipv4": "10.0.0.1/24"}],
      "nics": [{"name": "alice", "mac": "52:cc:cc:cc:00:01"}]})");
    file_.state = folder_.path();
  }
  /// That alice's link is down.
  [[nodiscard]] RuntimeChanges alice_down() const {
    Config now = file_;
    now.nics[0].link = Link::down;
    return difference(file_, now);
  }
  [[nodiscard]] Startup start(std::optional<Predecessor> predecessor = {}) const {
    return prepare(ConfigSource{{}, "/", "/run"}, file_, {}, std::move(predecessor));
  }

  const TempFolder folder_;
  Config file_;
};

TEST_F(StartupTest, WithoutAnEarlierLifeWhatHoldsIsTheFile) {
  const Startup startup = start();
  EXPECT_EQ(startup.now, file_);
  EXPECT_THAT(startup.notices, IsEmpty());
}

TEST_F(StartupTest, ChangesInTheStateFolderHold) {
  ASSERT_TRUE(RuntimeStore{folder_.path()}.rewrite(alice_down()));
  EXPECT_EQ(start().now.nics[0].link, Link::down);
  EXPECT_EQ(start().file.nics[0].link, Link::up);
  file_.state.reset();
  EXPECT_EQ(start().now.nics[0].link, Link::up) << "without a state folder nothing is remembered";
}

TEST_F(StartupTest, APredecessorsChangesComeBeforeThoseOfTheStateFolder) {
  ASSERT_TRUE(RuntimeStore{folder_.path()}.rewrite(alice_down()));
  const Startup startup = start(Predecessor{});
  EXPECT_EQ(startup.now, file_);
}

TEST_F(StartupTest, WhatDoesNotHoldAnyMoreAndWhatIsDamagedIsTold) {
  ASSERT_TRUE(RuntimeStore{folder_.path()}.rewrite(alice_down()));
  file_.nics[0].hostname = "queen";
  EXPECT_THAT(start().notices, ElementsAre(HasSubstr("NIC alice")));
  folder_.write(RuntimeStore::kFileName, "{\n");
  EXPECT_THAT(start().notices, ElementsAre(HasSubstr("set aside")));
}

}  // namespace
}  // namespace vnet::daemon
