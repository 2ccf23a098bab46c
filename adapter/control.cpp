#include "adapter/control.hpp"

#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "adapter/json.hpp"
#include "adapter/printable.hpp"
#include "adapter/socket_paths.hpp"

namespace vnet::adapter {
namespace {

std::string owner_of(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return "another user";
  const passwd* user = ::getpwuid(info.st_uid);
  return user != nullptr ? std::string{"user "} + user->pw_name : "user " + std::to_string(info.st_uid);
}

std::string advice(const std::string& path, int error) {
  const std::string reason = " (" + std::string{std::strerror(error)} + ")";
  switch (error) {
    case ENOENT:
    case ENOTDIR:
      return "no vnetd at " + path + reason +
             ": start vnetd, or name its control socket with --control or VNET_CONTROL";
    case ECONNREFUSED: return "vnetd at " + path + " is not running any more" + reason + ": start it again";
    case EACCES:
    case EPERM:
      return "vnetd at " + path + " belongs to " + owner_of(path) + reason + ": run vnet as that user, or as root";
    default: return "cannot reach vnetd at " + path + reason + ": is it the control socket of vnetd?";
  }
}

/// The argument that `pointer` is about: the nearest that leads there.
std::string argument_of(std::string_view pointer, const std::vector<std::pair<std::string, std::string>>& arguments) {
  const std::pair<std::string, std::string>* nearest = nullptr;
  for (const auto& entry : arguments) {
    const bool leads = pointer == entry.first || pointer.starts_with(entry.first + "/");
    if (leads && (nearest == nullptr || entry.first.size() > nearest->first.size())) nearest = &entry;
  }
  return nearest == nullptr ? printable(pointer) : nearest->second;
}

}  // namespace

std::string control_path(const Common& common) {
  if (common.control) return *common.control;
  if (const char* path = std::getenv("VNET_CONTROL"); path != nullptr && path[0] != '\0') return path;
  return find_socket("control.sock");
}

Result<http::Client, std::string> connect_control(const std::string& path, Duration timeout) {
  auto client = http::Client::connect(path, timeout);
  if (!client) return fail(advice(printable(path), client.error().code));
  return std::move(*client);
}

std::string problem_text(int status, std::string_view body,
                         const std::vector<std::pair<std::string, std::string>>& arguments) {
  const Json problem = parse_json(body).value_or(Json{});
  const auto sentence = [&](const Json& one) {
    const std::string place = argument_of(text_at(one, "pointer"), arguments);
    return (place.empty() ? "" : place + ": ") + printable(text_at(one, "detail"));
  };
  std::string text;
  for (const Json& one : member(problem, "problems")) {
    if (!text_at(one, "detail").empty()) text += (text.empty() ? "" : "\n") + sentence(one);
  }
  if (!text.empty()) return text;
  if (!text_at(problem, "detail").empty()) return sentence(problem);
  return "vnetd answered with status " + std::to_string(status) + " and no reason";
}

void complain(const std::string& message) {
  std::size_t begin = 0;
  while (begin <= message.size()) {
    const std::size_t end = std::min(message.find('\n', begin), message.size());
    std::fprintf(stderr, "vnet: %s\n", message.substr(begin, end - begin).c_str());
    begin = end + 1;
  }
}

ExitCode failed(const std::string& message) {
  complain(message);
  return ExitCode::failed;
}

bool wants_color(Color color, int fd) {
  if (color != Color::automatic) return color == Color::always;
  const char* no_color = std::getenv("NO_COLOR");
  const char* term = std::getenv("TERM");
  if (no_color != nullptr && no_color[0] != '\0') return false;
  return ::isatty(fd) == 1 && (term == nullptr || std::strcmp(term, "dumb") != 0);
}

}  // namespace vnet::adapter
