#include "agent/commands.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace vnet::agent {
namespace {

std::string about(std::int64_t id) { return R"({"id":)" + std::to_string(id) + ","; }

void close_if_open(int& fd) {
  if (fd >= 0) ::close(fd);
  fd = -1;
}

/// In the child: becomes the program, or says why not on `report`.
[[noreturn]] void become(const std::vector<char*>& words, int out, int err, int report) {
  ::setsid();
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  const int in = ::open("/dev/null", O_RDONLY);
  if (in < 0 || ::dup2(in, 0) < 0 || ::dup2(out, 1) < 0 || ::dup2(err, 2) < 0) ::_exit(127);
  ::execvp(words.front(), words.data());
  const int code = errno;
  (void)!::write(report, &code, sizeof code);
  ::_exit(127);
}

}  // namespace

Commands::~Commands() { end_all(); }

void Commands::finish(std::int64_t id, const char* how, std::int64_t value) {
  say_(about(id) + quoted(how) + ":" + std::to_string(value) + "}");
}

void Commands::refuse(std::int64_t id, const std::string& why) { say_(about(id) + R"("error":)" + quoted(why) + "}"); }

bool Commands::hear(const Json& line) {
  const std::int64_t id = line.number_at("id", -1);
  if (line.kind != Json::Kind::object || id < 0) return false;
  if (const Json* const words = line.find("exec")) {
    exec(id, *words);
  } else if (line.find("put") != nullptr) {
    put(id, line);
  } else if (line.find("get") != nullptr) {
    get(id, line.text_at("get"));
  } else if (line.find("ping") != nullptr) {
    finish(id, "exit", 0);
  } else if (line.find("kill") != nullptr) {
    for (const Running& one : running_) {
      if (one.id == id && one.pid > 0) ::kill(-one.pid, static_cast<int>(line.number_at("kill", SIGTERM)));
    }
  } else {
    refuse(id, "it is none of exec, kill, put, get, ping, restored");
  }
  return true;
}

void Commands::exec(std::int64_t id, const Json& list) {
  std::vector<char*> words;
  for (const Json& word : list.items) words.push_back(const_cast<char*>(word.text.c_str()));
  if (words.empty() || list.kind != Json::Kind::array) return refuse(id, "exec: no words");
  if (running_.size() >= kMaxCommands) return refuse(id, "too many at once");
  words.push_back(nullptr);
  std::array<int, 2> out{-1, -1};
  std::array<int, 2> err{-1, -1};
  std::array<int, 2> report{-1, -1};
  const bool piped = ::pipe2(out.data(), O_CLOEXEC) == 0 && ::pipe2(err.data(), O_CLOEXEC) == 0 &&
                     ::pipe2(report.data(), O_CLOEXEC) == 0;
  const pid_t pid = piped ? ::fork() : -1;
  if (pid == 0) become(words, out[1], err[1], report[1]);
  int code = pid < 0 ? errno : 0;
  for (int* fd : {&out[1], &err[1], &report[1]}) close_if_open(*fd);
  // The pipe closes when the program has begun.
  if (pid > 0) (void)!::read(report[0], &code, sizeof code);
  close_if_open(report[0]);
  if (code != 0) {
    if (pid > 0) ::waitpid(pid, nullptr, 0);
    close_if_open(out[0]);
    close_if_open(err[0]);
    return refuse(id, list.items.front().text + ": " + std::strerror(code));
  }
  for (const int fd : {out[0], err[0]}) ::fcntl(fd, F_SETFL, O_NONBLOCK);
  running_.push_back({id, pid, out[0], err[0]});
}

void Commands::put(std::int64_t id, const Json& line) {
  constexpr std::int64_t kMode = 0644;
  const std::string path = line.text_at("put");
  const auto data = from_base64(line.text_at("data"));
  const Json* const append = line.find("append");
  if (!data) return refuse(id, "put: data is not base64");
  const int how = append != nullptr && append->truth ? O_APPEND : O_TRUNC;
  const auto mode = static_cast<mode_t>(line.number_at("mode", kMode));
  int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | how, mode);
  std::size_t written = 0;
  while (fd >= 0 && written < data->size()) {
    const ssize_t size = ::write(fd, data->data() + written, data->size() - written);
    if (size < 0) break;
    written += static_cast<std::size_t>(size);
  }
  const bool done = fd >= 0 && written == data->size() && (how == O_APPEND || ::fchmod(fd, mode) == 0);
  if (!done) refuse(id, path + ": " + std::strerror(errno));
  close_if_open(fd);
  if (done) finish(id, "exit", 0);
}

void Commands::get(std::int64_t id, const std::string& path) {
  if (running_.size() >= kMaxCommands) return refuse(id, "too many at once");
  int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  struct stat status {};
  const bool is_file = fd >= 0 && ::fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
  if (!is_file) {
    const std::string why = fd < 0 ? std::strerror(errno) : "not a file";
    close_if_open(fd);
    return refuse(id, path + ": " + why);
  }
  running_.push_back({id, 0, fd, -1});
}

void Commands::add_to(std::vector<pollfd>& polled) const {
  for (const Running& one : running_) {
    if (one.out >= 0) polled.push_back({one.out, POLLIN, 0});
    if (one.err >= 0) polled.push_back({one.err, POLLIN, 0});
  }
}

bool Commands::pass(const Running& running, int& fd, const char* stream) {
  std::array<char, kChunk> bytes;
  const ssize_t size = fd < 0 ? 0 : ::read(fd, bytes.data(), bytes.size());
  if (size > 0) {
    say_(about(running.id) + quoted(stream) + ":" + quoted(to_base64({bytes.data(), static_cast<std::size_t>(size)})) +
         "}");
    return true;
  }
  if (size == 0 || (errno != EAGAIN && errno != EINTR)) close_if_open(fd);
  return false;
}

void Commands::on_ready(int fd) {
  for (auto one = running_.begin(); one != running_.end(); ++one) {
    if (one->out != fd && one->err != fd) continue;
    const bool is_out = one->out == fd;
    const bool more = pass(*one, is_out ? one->out : one->err, is_out ? "out" : "err");
    if (!more && one->pid == 0) {
      finish(one->id, "exit", 0);
      running_.erase(one);
    }
    return;
  }
}

void Commands::reap() {
  int status = 0;
  for (pid_t pid = ::waitpid(-1, &status, WNOHANG); pid > 0; pid = ::waitpid(-1, &status, WNOHANG)) {
    for (auto one = running_.begin(); one != running_.end(); ++one) {
      if (one->pid != pid) continue;
      // A pipe holds no more than the kernel has room for, so this ends; what others write into it still is cut off.
      for (int turns = 0; turns < 64 && pass(*one, one->out, "out"); ++turns) continue;
      for (int turns = 0; turns < 64 && pass(*one, one->err, "err"); ++turns) continue;
      close_if_open(one->out);
      close_if_open(one->err);
      finish(one->id, WIFSIGNALED(status) ? "signal" : "exit",
             WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
      running_.erase(one);
      break;
    }
  }
}

void Commands::end_all() {
  for (Running& one : running_) {
    if (one.pid > 0) ::kill(-one.pid, SIGTERM);
    close_if_open(one.out);
    close_if_open(one.err);
  }
  running_.clear();
}

}  // namespace vnet::agent
