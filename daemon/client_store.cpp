#include "daemon/client_store.hpp"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <utility>

namespace vnet::daemon {
namespace {

std::optional<KnownClient> read_client(const nlohmann::json& entry) {
  if (!entry.is_object()) return std::nullopt;
  const auto text = [&entry](const char* name) {
    const auto found = entry.find(name);
    return found != entry.end() && found->is_string() ? found->get<std::string>() : std::string{};
  };
  const auto mac = MacAddress::parse(text("mac"));
  KnownClient client{text("socket"), text("peer"), mac.value_or(MacAddress{})};
  if (!mac || client.socket.empty() || client.peer.empty()) return std::nullopt;
  return client;
}

}  // namespace

std::vector<KnownClient> ClientStore::load() {
  std::error_code missing;
  const auto size = std::filesystem::file_size(path_, missing);
  if (missing) return {};
  std::string text;
  if (size <= kMaxBytes) {
    std::ifstream file(path_);
    text.assign(std::istreambuf_iterator<char>(file), {});
  }
  const auto document = nlohmann::json::parse(text, nullptr, false);
  if (!document.is_array()) {
    complain(path_ + " is damaged: who was plugged in before must speak first");
    return {};
  }
  std::vector<KnownClient> clients;
  for (const auto& entry : document) {
    if (auto client = read_client(entry)) clients.push_back(std::move(*client));
  }
  return clients;
}

void ClientStore::save(const std::vector<KnownClient>& clients) {
  due_ = kNever;
  auto document = nlohmann::json::array();
  for (const KnownClient& client : clients) {
    if (client.peer.empty() || client.peer.front() == '\0') continue;  // an abstract name dies with its socket
    document.push_back({{"socket", client.socket}, {"peer", client.peer}, {"mac", client.mac.to_string()}});
  }
  const std::string fresh = path_ + ".new";
  std::ofstream file(fresh, std::ios::trunc);
  file << document.dump(1, ' ', true, nlohmann::json::error_handler_t::replace) << '\n';
  file.close();
  if (!file || std::rename(fresh.c_str(), path_.c_str()) != 0) complain(path_ + ": " + std::strerror(errno));
}

void ClientStore::complain(std::string error) {
  if (!std::exchange(complained_, true)) error_ = std::move(error);
}

std::optional<std::string> ClientStore::take_error() { return std::exchange(error_, std::nullopt); }

}  // namespace vnet::daemon
