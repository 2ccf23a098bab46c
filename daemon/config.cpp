#include "daemon/config.hpp"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "daemon/config_check.hpp"
#include "daemon/config_not_in_effect.hpp"
#include "daemon/config_read.hpp"
#include "daemon/json_schema.hpp"

namespace vnet::daemon {
namespace {

Problems problem_of_file(std::string_view found, std::string_view expected) {
  Problems problems;
  problems.add({}, found_expected(found, expected));
  return problems;
}

Result<std::string, Problems> read_file(const std::string& path) {
  constexpr std::string_view kExpected = "a JSON file that can be read";
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) return fail(problem_of_file("a folder", kExpected));
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file{std::fopen(path.c_str(), "rb"), &std::fclose};
  if (!file) return fail(problem_of_file(errno == ENOENT ? "no such file" : std::strerror(errno), kExpected));
  std::string text(kMaxConfigBytes + 1, '\0');
  text.resize(std::fread(text.data(), 1, text.size(), file.get()));
  if (std::ferror(file.get()) != 0) return fail(problem_of_file(std::strerror(errno), kExpected));
  return text;
}

}  // namespace

Result<LoadedConfig, Problems> load_config(std::string_view text, const Folders& folders) {
  if (text.size() > kMaxConfigBytes) {
    return fail(problem_of_file("a larger file", "at most " + std::to_string(kMaxConfigBytes) + " bytes"));
  }
  auto document = parse_json_text(text);
  if (!document) return fail(std::move(document.error()));
  const Json schema = Json::parse(schema_text());
  Problems problems;
  check_schema(schema, *document, problems);
  if (!problems.empty()) return fail(std::move(problems));
  Config config = read_config(*document, folders);
  check_config(config, problems);
  if (!problems.empty()) return fail(std::move(problems));
  return LoadedConfig{std::move(config), features_not_in_effect(*document)};
}

Result<LoadedConfig, Problems> load_config_file(const std::string& path, const std::string& runtime_folder) {
  auto text = read_file(path);
  if (!text) return fail(std::move(text.error()));
  std::error_code error;
  const std::string folder = std::filesystem::absolute(path, error).parent_path().lexically_normal().string();
  if (error) return fail(problem_of_file("a relative path in a current folder that is gone", "an absolute one"));
  return load_config(*text, {folder, runtime_folder});
}

Config default_config(const std::string& runtime_folder) { return read_config(Json::object(), {{}, runtime_folder}); }

}  // namespace vnet::daemon
