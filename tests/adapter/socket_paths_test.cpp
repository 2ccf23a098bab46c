#include "adapter/socket_paths.hpp"

#include <gmock/gmock.h>

namespace vnet::adapter {
namespace {

using ::testing::ElementsAre;

TEST(DefaultSocketPath, IsInTheRuntimeFolderElseInTheUsersFolderOfTmp) {
  EXPECT_THAT(default_socket_paths("dgram.sock", "/run/user/7", {7}), ElementsAre("/run/user/7/vnet/dgram.sock"));
  EXPECT_THAT(default_socket_paths("control.sock", nullptr, {7}), ElementsAre("/tmp/vnet-7/control.sock"));
  EXPECT_THAT(default_socket_paths("dgram.sock", "", {0, 7}),
              ElementsAre("/tmp/vnet-0/dgram.sock", "/tmp/vnet-7/dgram.sock"));
  EXPECT_THAT(default_socket_paths("dgram.sock", "run", {7}), ElementsAre("/tmp/vnet-7/dgram.sock"));
}

TEST(UserIds, AUserNamespaceAddsTheUserOutside) {
  EXPECT_THAT(user_ids(0, "         0       1000          1\n"), ElementsAre(0U, 1000U));
  EXPECT_THAT(user_ids(5, "0 1000 1\n1 100000 65536\n"), ElementsAre(5U, 100004U));
  EXPECT_THAT(user_ids(1000, "         0          0 4294967295\n"), ElementsAre(1000U));
  EXPECT_THAT(user_ids(3, ""), ElementsAre(3U));
  EXPECT_THAT(user_ids(3, "nonsense"), ElementsAre(3U));
}

}  // namespace
}  // namespace vnet::adapter
