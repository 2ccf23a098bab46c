#include "adapter/vm/exec_vm.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>
#include <utility>

#include "adapter/base64.hpp"
#include "adapter/commands.hpp"
#include "adapter/control.hpp"
#include "adapter/printable.hpp"
#include "adapter/vm/ask_vm.hpp"
#include "packet/words.hpp"

namespace vnet::adapter {
namespace {

/// Of a file in one line to the agent, whose lines have at most 96 KiB.
constexpr std::size_t kPiece = 48 * 1024;
constexpr int kSignalled = 128;  ///< as a shell has it

Read<Json> ask_agent(const VmOptions& options, Json command, const OnLine& on_line = {}) {
  return ask_vm(options.name, "agent",
                {{"command", std::move(command)}, {"timeout_s", options.timeout_s.value_or(kAgentTimeout)}}, on_line);
}

std::string cannot(const char* act, const std::string& file) {
  return "cannot " + std::string{act} + " " + printable(file) + ": " + std::strerror(errno);
}

/// `FROM:TO`, neither of them empty.
Read<std::pair<std::string, std::string>> cut(const std::string& text, const char* flag, const char* expected) {
  const std::size_t colon = text.find(':');
  if (colon == std::string::npos || colon == 0 || colon + 1 == text.size()) {
    return fail(std::string{"vm exec: "} + flag + ": " + found_expected(in_quotes(text), expected));
  }
  return std::pair{text.substr(0, colon), text.substr(colon + 1)};
}

Read<void> put(const VmOptions& options, const std::string& text) {
  const auto files = cut(text, "--put", "FILE:PATH-IN-THE-GUEST");
  if (!files) return fail(files.error());
  const std::string from = absolute(options.folder, files->first);
  const dgram::Fd fd{::open(from.c_str(), O_RDONLY | O_CLOEXEC)};
  struct stat info {};
  if (!fd || ::fstat(fd.get(), &info) != 0) return fail(cannot("read", from));
  std::string piece(kPiece, '\0');
  for (bool first = true;; first = false) {
    const ssize_t size = ::read(fd.get(), piece.data(), piece.size());
    if (size < 0) return fail(cannot("read", from));
    if (size == 0 && !first) return {};
    Json command = {{"put", files->second},
                    {"data", to_base64({piece.data(), static_cast<std::size_t>(size)})},
                    {"mode", info.st_mode & 07777U},
                    {"append", !first}};
    if (const auto done = ask_agent(options, std::move(command)); !done) return fail(done.error());
  }
}

Read<void> get(const VmOptions& options, const std::string& text) {
  const auto files = cut(text, "--get", "PATH-IN-THE-GUEST:FILE");
  if (!files) return fail(files.error());
  const std::string to = absolute(options.folder, files->second);
  const std::string fresh = to + ".vnet-new";
  const dgram::Fd fd{::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666)};
  if (!fd) return fail(cannot("write", fresh));
  std::string problem;
  const auto keep = [&](const Json& line) {
    const auto bytes = from_base64(text_at(line, "out"));
    if (!bytes) problem = "the agent has sent what is no base64";
    if (bytes && ::write(fd.get(), bytes->data(), bytes->size()) != static_cast<ssize_t>(bytes->size())) {
      problem = cannot("write", fresh);
    }
  };
  const auto done = ask_agent(options, {{"get", files->first}}, keep);
  if (!done) problem = done.error();
  if (problem.empty() && std::rename(fresh.c_str(), to.c_str()) != 0) problem = cannot("write", to);
  if (problem.empty()) return {};
  ::unlink(fresh.c_str());
  return fail(problem);
}

/// A guest's bytes as they are, but not to a terminal, which obeys some of them.
void show(const std::string& bytes, std::FILE* to) {
  const std::string text = ::isatty(::fileno(to)) == 1 ? printable_lines(bytes) : bytes;
  std::fwrite(text.data(), 1, text.size(), to);
  std::fflush(to);
}

Read<ExitCode> execute(const VmOptions& options) {
  const auto done = ask_agent(options, {{"exec", options.words}}, [](const Json& line) {
    const bool is_error = line.contains("err");
    show(from_base64(text_at(line, is_error ? "err" : "out")).value_or(""), is_error ? stderr : stdout);
  });
  if (!done) return fail(done.error());
  const std::uint64_t signal = count_at(*done, "signal");
  return static_cast<ExitCode>(signal != 0 ? kSignalled + static_cast<int>(signal & 127U)
                                           : static_cast<int>(count_at(*done, "exit") & 255U));
}

}  // namespace

ExitCode exec_in_vm(const VmOptions& options) {
  if (options.words.empty() && options.puts.empty() && options.gets.empty()) {
    complain("vm exec: found nothing to do; expected a command, --put or --get: vnet vm exec " + options.name +
             " -- uname -a");
    return ExitCode::usage;
  }
  for (const std::string& text : options.puts) {
    if (auto done = put(options, text); !done) return failed(done.error());
  }
  const auto code = options.words.empty() ? Read<ExitCode>{ExitCode::ok} : execute(options);
  if (!code) return failed(code.error());
  for (const std::string& text : options.gets) {
    if (auto done = get(options, text); !done) return failed(done.error());
  }
  return *code;
}

}  // namespace vnet::adapter
