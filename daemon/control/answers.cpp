#include "daemon/control/answers.hpp"

#include <utility>

namespace vnet::daemon {
namespace {

std::string text_of(const Json& document) {
  // Names that guests have sent need not be UTF-8.
  return document.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string_view title_of(int status) {
  switch (status) {
    case 400: return "Bad Request";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 409: return "Conflict";
    case 415: return "Unsupported Media Type";
    default: return "Internal Server Error";
  }
}

http::Response problem_document(int status, Json document) {
  http::Response response;
  response.status = status;
  response.type = "application/problem+json";
  response.body = text_of(document) + "\n";
  return response;
}

/// A place that is no JSON pointer, such as 3:14 in a text that is no JSON, or a flag, is told in words.
Json element_of(const Problem& problem) {
  const bool points = problem.place.empty() || problem.place.starts_with('/');
  return {{"pointer", points ? problem.place : ""},
          {"detail", points ? problem.text : problem.place + ": " + problem.text}};
}

/// `detail`, where it is given, is what the first problem says in other words.
Json document_of(int status, const Problems& problems, const std::string& detail) {
  const Json first = element_of(problems.listed().front());
  Json document = {{"status", status}, {"title", title_of(status)}};
  document["detail"] = detail.empty() ? first["detail"] : Json(detail);
  document["pointer"] = first["pointer"];
  if (problems.listed().size() > 1) {
    for (const Problem& each : problems.listed()) document["problems"].push_back(element_of(each));
  }
  return document;
}

int status_of(Refusal::Kind kind) {
  switch (kind) {
    case Refusal::Kind::unknown: return 404;
    case Refusal::Kind::invalid: return 400;
    case Refusal::Kind::conflict: return 409;
  }
  return 500;
}

class ListBody final : public http::Body {
 public:
  explicit ListBody(NextElement next) : next_(std::move(next)) {}

  More produce(std::string& out) override {
    constexpr std::size_t kPiece = 16 * 1024;
    const std::size_t enough = out.size() + kPiece;
    while (out.size() < enough) {
      const auto element = next_();
      if (!element) {
        out += first_ ? "[]\n" : "]\n";
        return More::no;
      }
      out += std::exchange(first_, false) ? "[" : ",\n";
      out += text_of(*element);
    }
    return More::yes;
  }

 private:
  NextElement next_;
  bool first_ = true;
};

}  // namespace

http::Response answer(const Json& document, int status) {
  http::Response response;
  response.status = status;
  response.body = text_of(document) + "\n";
  return response;
}

http::Response no_content() {
  http::Response response;
  response.status = 204;
  response.type.clear();
  return response;
}

http::Response problem(int status, std::string_view detail, std::string_view pointer) {
  return problem_document(status,
                          {{"status", status}, {"title", title_of(status)}, {"detail", detail}, {"pointer", pointer}});
}

http::Response problem(int status, const Problems& problems) {
  return problem_document(status, document_of(status, problems, {}));
}

http::Response problem(const Refusal& refusal) {
  const int status = status_of(refusal.kind);
  if (!refusal.problems.empty()) {
    return problem_document(status, document_of(status, refusal.problems, refusal.text));
  }
  return problem(status, refusal.text, refusal.place);
}

http::Response list(NextElement next) {
  http::Response response;
  response.stream = std::make_unique<ListBody>(std::move(next));
  return response;
}

}  // namespace vnet::daemon
