// What was committed is there after `kill -9`, at whatever moment it comes.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <csignal>
#include <map>
#include <random>

#include "daemon/lease_store.hpp"
#include "packet/random.hpp"
#include "tests/daemon/lease_fixture.hpp"
#include "tests/support/temp_folder.hpp"

namespace vnet::daemon {
namespace {

constexpr std::uint32_t kAddresses = 40;
constexpr std::int64_t kForgotten = -1;

/// What one step does to an address: its end in seconds after the start, or kForgotten.
struct Step {
  std::uint32_t address = 0;
  std::int64_t expires = 0;
};

/// A few steps that are committed together. The same for the same seed and number, in the child and in its judge.
std::vector<Step> batch(std::uint64_t seed, std::uint32_t number) {
  Random random{mix64(seed, number)};
  std::vector<Step> steps(1 + random.below(5));
  for (Step& step : steps) {
    step.address = random.below(kAddresses);
    step.expires = random.chance(0.2) ? kForgotten : std::int64_t{number} + 100'000;
  }
  return steps;
}

/// Commits batches until it is killed, and says so after each. The time between commits makes it compact often.
[[noreturn]] void write_forever(const std::string& folder, std::uint64_t seed, std::uint32_t first, int told) {
  auto store = LeaseStore::open(folder, moment(first));
  if (!store) ::_exit(1);
  for (std::uint32_t number = first;; ++number) {
    const Moment at = moment(number);
    for (const Step& step : batch(seed, number)) {
      if (step.expires == kForgotten) {
        (*store)->forget("lan", ip_of(step.address));
      } else {
        (*store)->note("lan", granted(step.address, moment(step.expires).now), at);
      }
    }
    if (!(*store)->commit(at) || ::write(told, &number, sizeof number) != sizeof number) ::_exit(1);
  }
}

using Model = std::map<Ipv4Address, std::int64_t>;

void play(Model& model, const std::vector<Step>& steps) {
  for (const Step& step : steps) {
    if (step.expires == kForgotten) {
      model.erase(ip_of(step.address));
    } else {
      model[ip_of(step.address)] = step.expires;
    }
  }
}

/// What the store holds, in the model's terms.
Model content(const LeaseStore& store, std::uint32_t number) {
  Model model;
  const Moment at = moment(number);
  for (const StoredLease& stored : store.leases(at)) {
    const auto left = std::chrono::duration_cast<std::chrono::seconds>(stored.lease.expires - at.now);
    model[stored.lease.ip] = number + left.count();
  }
  return model;
}

/// Lets a writer run for `life` and kills it. The number of the last batch that it committed.
std::uint32_t run_and_kill(const std::string& folder, std::uint64_t seed, std::uint32_t first,
                           std::chrono::microseconds life) {
  int told[2];
  EXPECT_EQ(::pipe(told), 0);
  const pid_t child = ::fork();
  if (child == 0) write_forever(folder, seed, first, told[1]);
  ::close(told[1]);
  std::uint32_t last = first - 1;
  // Its life begins with its first commit, however slow the machine is.
  EXPECT_EQ(::read(told[0], &last, sizeof last), ssize_t{sizeof last});
  ::usleep(static_cast<useconds_t>(life.count()));
  ::kill(child, SIGKILL);
  while (::read(told[0], &last, sizeof last) == ssize_t{sizeof last}) {
  }
  ::close(told[0]);
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFSIGNALED(status)) << "the writer failed by itself";
  return last;
}

TEST(LeaseStore, CommittedLeasesSurviveKill) {
  const std::uint64_t seed = std::random_device{}();
  RecordProperty("seed", std::to_string(seed));
  SCOPED_TRACE("seed " + std::to_string(seed));
  Random random{seed};
  const TempFolder folder;
  Model model;
  std::uint32_t next = 1;
  for (int round = 0; round < 25; ++round) {
    const std::uint32_t last = run_and_kill(folder.path(), seed, next, std::chrono::microseconds{random.below(20'000)});
    ASSERT_GE(last, next);
    for (; next <= last; ++next) play(model, batch(seed, next));
    const auto store = LeaseStore::open(folder.path(), moment(next));
    ASSERT_TRUE(store) << store.error();
    // Of the batch in which death came, each address may have been written or not.
    const Model found = content(**store, next);
    Model after = model;
    play(after, batch(seed, next));
    for (std::uint32_t i = 0; i < kAddresses; ++i) {
      const auto value = [ip = ip_of(i)](const Model& of) { return of.contains(ip) ? of.at(ip) : kForgotten; };
      ASSERT_TRUE(value(found) == value(model) || value(found) == value(after))
          << "round " << round << ", batch " << next << ", " << ip_of(i).to_string() << ": " << value(found) << ", not "
          << value(model) << " or " << value(after);
    }
    model = found;
    ++next;
  }
}

}  // namespace
}  // namespace vnet::daemon
