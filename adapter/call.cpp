#include "adapter/call.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include "adapter/control.hpp"
#include "adapter/printable.hpp"
#include "adapter/show.hpp"
#include "packet/words.hpp"

namespace vnet::adapter {
namespace {

struct CloseFile {
  void operator()(std::FILE* file) const {
    if (file != stdin) (void)std::fclose(file);
  }
};

Result<std::string, std::string> read_file(const std::string& path) {
  const std::unique_ptr<std::FILE, CloseFile> file{path == "-" ? stdin : std::fopen(path.c_str(), "rbe")};
  const std::string name = path == "-" ? "stdin" : printable(path);
  if (!file) return fail("cannot read " + name + ": " + std::strerror(errno));
  std::string text;
  std::array<char, 65536> piece{};
  for (std::size_t size = 0; (size = std::fread(piece.data(), 1, piece.size(), file.get())) > 0;) {
    text.append(piece.data(), size);
    if (text.size() > kMaxBody) return fail(name + " is larger than " + std::to_string(kMaxBody) + " bytes");
  }
  if (std::ferror(file.get()) != 0) return fail("cannot read " + name + ": " + std::strerror(errno));
  return text;
}

ExitCode print(const std::string& text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0) return ExitCode::ok;
  if (errno != EPIPE) complain("cannot write the answer: " + std::string{std::strerror(errno)});
  return ExitCode::failed;
}

/// Text that is no JSON goes out as it is, but not to a terminal, which might obey it.
ExitCode print_raw(const std::string& body) {
  if (const auto document = parse_json(body)) return print(pretty(*document));
  return print(::isatty(STDOUT_FILENO) == 1 ? printable_lines(body) : body);
}

ExitCode show_answer(const Common& common, const Call& call, const std::string& body) {
  if (call.show == Show::raw) return body.empty() ? ExitCode::ok : print_raw(body);
  if (call.show == Show::text) return print(::isatty(STDOUT_FILENO) == 1 ? printable_lines(body) : body);
  if (body.empty() || (call.show == Show::nothing && !call.json)) return ExitCode::ok;
  const auto document = parse_json(body);
  if (!document) {
    complain("the answer is no JSON: is this the control socket of vnetd?");
    return ExitCode::failed;
  }
  if (call.json || call.show == Show::document) return print(pretty(*document));
  const Shown shown = present(call.show, *document, {wants_color(common.color, STDOUT_FILENO)});
  if (!shown.note.empty()) std::fprintf(stderr, "%s\n", shown.note.c_str());
  return print(shown.text);
}

}  // namespace

ExitCode run_call(const Common& common, const Call& call) {
  std::string body = call.body;
  if (call.body_of) {
    auto text = read_file(*call.body_of);
    if (!text) return failed(text.error());
    body = std::move(*text);
  }
  auto client = connect_control(control_path(common));
  if (!client) return failed(client.error());
  const auto reply = client->exchange(call.method, call.target, body);
  if (!reply) return failed(printable(reply.error()));
  if (reply->status < 400) return show_answer(common, call, reply->body);
  if (call.show == Show::raw) {
    (void)print_raw(reply->body);
    return ExitCode::failed;
  }
  return failed(problem_text(reply->status, reply->body, call.arguments));
}

}  // namespace vnet::adapter
