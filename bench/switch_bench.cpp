// switch_bench: whole switches over real sockets, side by side in one run.
//
//     switch_bench VNETD [SECONDS [BYTES...]]      with BYTES: two NICs and these frames only
//
// What counts is the switch's CPU time per frame that arrived, since on a machine with few cores the wall clock
// measures the load as much as the switch. Every number is a median of five runs; runs of different switches
// alternate, so that a busy moment hits all of them. Ratios are to the first of a
// group: the bare relay on the same kind of sockets, or vde_switch under overload.
#include <sched.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <thread>

#include "subjects.hpp"

namespace {

using namespace vnet::bench;

constexpr int kRuns = 5;

struct Row {
  std::string name;
  std::function<std::unique_ptr<Subject>(const std::string&)> start;
  std::vector<Result> results{};
};

std::string fresh_folder() {
  std::string folder = "/tmp/vnet-bench-XXXXXX";
  if (::mkdtemp(folder.data()) == nullptr) std::abort();
  return folder;
}

const Result& median(std::vector<Result>& results) {
  std::ranges::sort(results, {}, &Result::cpu_us_per_frame);
  return results[results.size() / 2];
}

void measure(std::vector<Row>& rows, const Plan& plan) {
  for (int i = 0; i < kRuns; ++i) {
    for (Row& row : rows) {
      const std::string folder = fresh_folder();
      if (const auto subject = row.start(folder)) {
        introduce(subject->nics);
        row.results.push_back(run(subject->nics, plan, subject->pid()));
      }
      std::filesystem::remove_all(folder);
    }
  }
}

void print(std::vector<Row>& rows, std::size_t nics, std::size_t bytes) {
  std::optional<double> first;
  for (Row& row : rows) {
    if (row.results.empty()) continue;
    const Result& result = median(row.results);
    if (!first) first = result.cpu_us_per_frame();
    std::printf("%-22s %5zu %6zu %10.0f %9.2f %8.1f %9.2f %7.2f\n", row.name.c_str(), nics, bytes,
                result.frames_per_cpu_second(), result.cpu_us_per_frame(),
                static_cast<double>(result.received * bytes * 8) / result.seconds / 1e6, 100 * result.loss(),
                *first / result.cpu_us_per_frame());
  }
  std::fflush(stdout);
}

void compare(const std::string& vnetd, Attachment attachment, std::size_t nics, std::size_t bytes, double seconds) {
  const bool own = attachment == Attachment::own_paths;
  std::vector<Row> rows;
  rows.push_back({own ? "relay, own paths" : "relay, shared path",
                  [=](const std::string& folder) { return start_relay(folder, nics, attachment); }});
  rows.push_back({own ? "vnetd, own paths" : "vnetd, shared path",
                  [=](const std::string& folder) { return start_vnetd(folder, nics, attachment, vnetd, false); }});
  if (own && nics == 2) {
    rows.push_back({"vnetd, capturing",
                    [=](const std::string& folder) { return start_vnetd(folder, nics, attachment, vnetd, true); }});
  }
  if (!own && nics <= 64 && bytes <= 1514) {
    rows.push_back({"vde_switch", [=](const std::string& folder) { return start_vde(folder, nics); }});
  }
  measure(rows, {bytes, seconds, own ? std::size_t{32} : std::size_t{8}, true});
  print(rows, nics, bytes);
}

/// A sender that never waits, at everybody's shared path: what gets through per CPU second when frames must be lost.
void overload(const std::string& vnetd, std::size_t bytes, double seconds) {
  std::vector<Row> rows;
  rows.push_back({"vde_switch, overload", [](const std::string& folder) { return start_vde(folder, 2); }});
  for (const Attachment attachment : {Attachment::shared_path, Attachment::own_paths}) {
    const bool own = attachment == Attachment::own_paths;
    rows.push_back({own ? "vnetd, own, overload" : "vnetd, shared, overload",
                    [=](const std::string& folder) { return start_vnetd(folder, 2, attachment, vnetd, false); }});
  }
  measure(rows, {bytes, seconds, 64, false});
  print(rows, 2, bytes);
}

/// Memory and idle CPU, with nobody and with a thousand NICs.
void measure_idle(const std::string& vnetd) {
  std::map<std::size_t, std::uint64_t> memory;
  for (const std::size_t nics : {std::size_t{0}, std::size_t{1000}}) {
    const std::string folder = fresh_folder();
    const auto subject = start_vnetd(folder, nics, Attachment::shared_path, vnetd, false);
    if (!subject) return;
    introduce(subject->nics);
    memory[nics] = resident_bytes(subject->pid());
    const double before = cpu_seconds(subject->pid());
    std::this_thread::sleep_for(std::chrono::seconds{5});
    std::printf("%4zu NICs: resident %.1f MiB, idle CPU %.3f %%\n", nics,
                static_cast<double>(memory[nics]) / (1024 * 1024), (cpu_seconds(subject->pid()) - before) / 5 * 100);
    std::filesystem::remove_all(folder);
  }
  std::printf("each further idle NIC: %.1f KiB\n", static_cast<double>(memory[1000] - memory[0]) / 1000 / 1024);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: switch_bench VNETD [SECONDS [BYTES...]]\n");
    return 2;
  }
  cpu_set_t first;
  CPU_ZERO(&first);
  CPU_SET(0, &first);
  ::sched_setaffinity(0, sizeof first, &first);
  const std::string vnetd = argv[1];
  const double seconds = argc > 2 ? std::atof(argv[2]) : 1;
  std::printf("%-22s %5s %6s %10s %9s %8s %9s %7s\n", "switch", "NICs", "bytes", "frames/CPU", "us/frame", "Mbit/s",
              "lost %", "ratio");
  std::vector<std::size_t> sizes;
  for (int i = 3; i < argc; ++i) sizes.push_back(std::strtoul(argv[i], nullptr, 10));
  const bool all = sizes.empty();
  if (all) sizes = {64, 512, 1514, 9000, 65000};
  for (const std::size_t bytes : sizes) {
    for (const Attachment attachment : {Attachment::own_paths, Attachment::shared_path}) {
      compare(vnetd, attachment, 2, bytes, seconds);
    }
  }
  for (const std::size_t bytes : {64U, 1514U}) overload(vnetd, bytes, seconds);
  if (!all) return 0;
  for (const std::size_t nics : {64U, 1000U}) {
    for (const Attachment attachment : {Attachment::own_paths, Attachment::shared_path}) {
      compare(vnetd, attachment, nics, 1514, seconds);
    }
  }
  measure_idle(vnetd);
  return 0;
}
