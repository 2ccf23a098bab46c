// Helpers for the capture tests: a folder that goes away, a reader of pcapng blocks that shares no code with the
// writer, and the tools that judge our files.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "packet/bytes.hpp"
#include "pcap/block.hpp"
#include "pcap/writer.hpp"

namespace vnet::capture {

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "vnet-pcap-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  [[nodiscard]] std::string operator/(const std::string& name) const { return (path_ / name).string(); }
  [[nodiscard]] std::vector<std::string> names() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(path_)) names.push_back(entry.path().filename());
    std::ranges::sort(names);
    return names;
  }

 private:
  std::filesystem::path path_;
};

using Bytes = std::vector<std::uint8_t>;

inline constexpr InterfaceId kAlice{1};

[[nodiscard]] inline Bytes read_file(const std::string& path) {
  std::ifstream file{path, std::ios::binary};
  return Bytes{std::istreambuf_iterator<char>{file}, std::istreambuf_iterator<char>{}};
}

/// A number in this machine's byte order at `offset`.
template <typename T>
[[nodiscard]] T number_at(const Bytes& bytes, std::size_t offset) {
  T value{};
  if (offset + sizeof value > bytes.size()) {
    ADD_FAILURE() << "no " << sizeof value << " bytes at " << offset << " of " << bytes.size();
    return value;
  }
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

struct ReadOption {
  std::uint16_t code = 0;
  Bytes value;
  [[nodiscard]] std::string text() const { return {value.begin(), value.end()}; }
};

struct ReadBlock {
  std::uint32_t type = 0;
  Bytes body;
  std::vector<ReadOption> options;

  [[nodiscard]] const ReadOption* find(std::uint16_t code) const {
    for (const ReadOption& option : options) {
      if (option.code == code) return &option;
    }
    return nullptr;
  }
  [[nodiscard]] std::string text(std::uint16_t code) const {
    const ReadOption* option = find(code);
    return option == nullptr ? "(none)" : option->text();
  }
  [[nodiscard]] std::uint64_t number(std::uint16_t code) const {
    const ReadOption* option = find(code);
    return option == nullptr ? 0 : number_at<std::uint64_t>(option->value, 0);
  }
  [[nodiscard]] std::vector<std::string> comments() const {
    std::vector<std::string> comments;
    for (const ReadOption& option : options) {
      if (option.code == 1) comments.push_back(option.text());
    }
    return comments;
  }
  [[nodiscard]] std::uint32_t interface() const { return number_at<std::uint32_t>(body, 0); }
  [[nodiscard]] Bytes packet() const {
    const auto length = number_at<std::uint32_t>(body, 12);
    return {body.begin() + 20, body.begin() + 20 + static_cast<std::ptrdiff_t>(length)};
  }
};

/// Where a block's options begin in its body; npos if it has none.
[[nodiscard]] inline std::size_t options_offset(const ReadBlock& block) {
  switch (block.type) {
    case block_type::kSection: return 16;
    case block_type::kInterface: return 8;
    case block_type::kStatistics: return 12;
    case block_type::kPacket: return 20 + ((number_at<std::uint32_t>(block.body, 12) + 3) & ~3U);
    default: return std::string::npos;
  }
}

/// Reads whole blocks, strictly: framing, padding and the end of the options must be as the draft says.
[[nodiscard]] inline std::vector<ReadBlock> read_blocks(const Bytes& file) {
  std::vector<ReadBlock> blocks;
  std::size_t at = 0;
  while (at < file.size()) {
    ReadBlock block;
    block.type = number_at<std::uint32_t>(file, at);
    const auto length = number_at<std::uint32_t>(file, at + 4);
    if (length < 12 || length % 4 != 0 || length > file.size() - at) {
      ADD_FAILURE() << "block of length " << length << " at " << at << " of " << file.size();
      break;
    }
    EXPECT_EQ(number_at<std::uint32_t>(file, at + length - 4), length);
    const auto begin = file.begin() + static_cast<std::ptrdiff_t>(at);
    block.body.assign(begin + 8, begin + static_cast<std::ptrdiff_t>(length) - 4);
    std::size_t option_at = options_offset(block);
    bool ended = option_at == std::string::npos;
    while (!ended && option_at < block.body.size()) {
      ReadOption option;
      option.code = number_at<std::uint16_t>(block.body, option_at);
      const auto size = number_at<std::uint16_t>(block.body, option_at + 2);
      if (option_at + 4 + size > block.body.size()) {
        ADD_FAILURE() << "option " << option.code << " runs over its block";
        break;
      }
      const auto value = block.body.begin() + static_cast<std::ptrdiff_t>(option_at) + 4;
      option.value.assign(value, value + size);
      option_at += 4U + ((size + 3U) & ~3U);
      ended = option.code == 0;
      if (!ended) block.options.push_back(std::move(option));
    }
    EXPECT_TRUE(ended) << "no end of options in block " << block.type;
    if (block.type == block_type::kSection || block.type == block_type::kInterface) {
      EXPECT_EQ(option_at, block.body.size());
    }
    blocks.push_back(std::move(block));
    at += length;
  }
  return blocks;
}

[[nodiscard]] inline std::vector<ReadBlock> of_type(const std::vector<ReadBlock>& blocks, std::uint32_t type) {
  std::vector<ReadBlock> chosen;
  for (const ReadBlock& block : blocks) {
    if (block.type == type) chosen.push_back(block);
  }
  return chosen;
}

/// Waits until `condition` holds; the writer thread's progress cannot be seen otherwise.
[[nodiscard]] inline bool eventually(const std::function<bool()>& condition) {
  for (int i = 0; i < 5000; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds{1});
  }
  return false;
}

struct CommandResult {
  int status = -1;
  std::string output;  ///< stdout and stderr
};

[[nodiscard]] inline CommandResult run_command(const std::string& command) {
  CommandResult result;
  FILE* pipe = ::popen((command + " 2>&1").c_str(), "r");
  if (pipe == nullptr) return result;
  std::array<char, 4096> buffer{};
  for (std::size_t got = 0; (got = std::fread(buffer.data(), 1, buffer.size(), pipe)) > 0;) {
    result.output.append(buffer.data(), got);
  }
  const int status = ::pclose(pipe);
  result.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return result;
}

/// Why a test that needs `tool` cannot run here; nothing if it can. Under CI a missing tool is a failure.
[[nodiscard]] inline std::optional<std::string> lacking(const std::string& tool) {
  if (run_command("command -v " + tool).status == 0) return std::nullopt;
  const char* ci = ::getenv("CI");
  if (ci != nullptr && std::string_view{ci} == "true") ADD_FAILURE() << tool << " must be installed under CI=true";
  return tool + " is not installed (Debian: tshark)";
}

inline constexpr WallTime kStart{std::chrono::seconds{1'700'000'000}};  // 2023-11-14 22:13:20 UTC

[[nodiscard]] inline WallTime start_plus(std::int64_t ns) { return kStart + std::chrono::nanoseconds{ns}; }

/// "Who has 192.168.1.1? Tell 192.168.1.101", from 52:cc:cc:cc:cc:01; 42 bytes.
[[nodiscard]] inline Bytes arp_request() {
  return {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x52, 0xcc, 0xcc, 0xcc, 0xcc, 0x01, 0x08, 0x06,
          0x00, 0x01, 0x08, 0x00, 0x06, 0x04, 0x00, 0x01, 0x52, 0xcc, 0xcc, 0xcc, 0xcc, 0x01,
          0xc0, 0xa8, 0x01, 0x65, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xc0, 0xa8, 0x01, 0x01};
}

}  // namespace vnet::capture
