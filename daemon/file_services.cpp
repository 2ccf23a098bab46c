#include "daemon/file_services.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <utility>

namespace vnet::daemon {
namespace {

http::ServerOptions options() {
  http::ServerOptions options;
  options.max_connections = FileServices::kMaxConnections;
  options.stall_time = FileServices::kStallTime;
  return options;
}

FileServiceKind kind_of(ServiceKind kind) noexcept {
  return kind == ServiceKind::files ? FileServiceKind::files : FileServiceKind::cloud_init;
}

}  // namespace

Result<FileServices::Running, std::string> FileServices::start(const Service& service, const std::string& folder) {
  Running running{*service.root, *service.kind, nullptr, nullptr};
  running.files = std::make_unique<FileService>(running.root, kind_of(running.kind), time_);
  const http::Handler handler = [files = running.files.get()](http::Request& request) {
    return files->answer(request);
  };
  for (std::size_t number = 0;; ++number) {
    const std::string path = folder + "/files-" + std::to_string(number) + ".sock";
    auto server = http::Server::listen(path, options(), poller_, clock_, handler);
    if (server) {
      running.server = std::move(*server);
      break;
    }
    if (server.error().code != EADDRINUSE || number >= kMaxTries) {
      return fail("service " + service.name + ": " + server.error().to_string());
    }
  }
  std::error_code code;
  if (!std::filesystem::is_directory(running.root, code)) {
    spdlog::warn("service {}: {} is no folder; until it is one, there is nothing to be found", service.name,
                 running.root);
  }
  return running;
}

Result<void, std::string> FileServices::serve(const std::vector<Service>& services, const std::string& folder) {
  std::map<std::string, Running> started;
  std::vector<std::string> kept;
  for (const Service& service : services) {
    if (!serves_files(service)) continue;
    const auto before = running_.find(service.name);
    if (before != running_.end() && before->second.root == service.root && before->second.kind == service.kind) {
      kept.push_back(service.name);
      continue;
    }
    auto running = start(service, folder);
    if (!running) return fail(std::move(running.error()));
    started.emplace(service.name, std::move(*running));
  }
  for (const std::string& name : kept) started.insert(running_.extract(name));
  running_ = std::move(started);
  return {};
}

FileSockets FileServices::sockets() const {
  FileSockets paths;
  for (const auto& [name, running] : running_) paths[name] = running.server->name();
  return paths;
}

Instant FileServices::next_deadline() const {
  Instant next = kNever;
  for (const auto& [name, running] : running_) next = std::min(next, running.server->next_deadline());
  return next;
}

void FileServices::expire(Instant now) {
  for (const auto& [name, running] : running_) running.server->expire(now);
}

http::ServerCounters FileServices::counters() const {
  http::ServerCounters sum;
  for (const auto& [name, running] : running_) {
    const http::ServerCounters& one = running.server->counters();
    sum.accepted += one.accepted;
    sum.requests += one.requests;
    sum.refused_user += one.refused_user;
    sum.refused_limit += one.refused_limit;
    sum.evicted += one.evicted;
    sum.faults += one.faults;
    sum.timed_out += one.timed_out;
  }
  return sum;
}

std::size_t FileServices::connection_count() const {
  std::size_t count = 0;
  for (const auto& [name, running] : running_) count += running.server->connection_count();
  return count;
}

}  // namespace vnet::daemon
