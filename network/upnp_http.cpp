#include "network/upnp_http.hpp"

#include <algorithm>
#include <charconv>

namespace vnet::network {
namespace {

constexpr std::string_view kHeadEnd = "\r\n\r\n";
constexpr std::size_t kMaxFields = 64;

bool is_token(std::string_view text) {
  constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::ranges::all_of(text, [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           kMarks.find(c) != std::string_view::npos;
  });
}

bool is_printable(std::string_view text) {
  return std::ranges::none_of(text, [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte < 0x20 && c != '\t') || byte == 0x7f;
  });
}

std::string lower(std::string_view text) {
  std::string result{text};
  std::ranges::transform(result, result.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return result;
}

std::string_view reason_of(int status) {
  switch (status) {
    case 200: return "OK";
    case 400: return "Bad Request";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 411: return "Length Required";
    case 413: return "Content Too Large";
    case 417: return "Expectation Failed";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 505: return "HTTP Version Not Supported";
    default: return "Error";
  }
}

}  // namespace

const std::string* UpnpRequest::find(std::string_view name) const {
  const auto found = std::ranges::find(fields, name, [](const auto& of) { return std::string_view{of.first}; });
  return found == fields.end() ? nullptr : &found->second;
}

void UpnpRequestReader::fail_with(int status) noexcept {
  state_ = State::failed;
  status_ = status;
}

void UpnpRequestReader::feed(std::string_view bytes) {
  if (state_ == State::head) {
    const std::size_t before = head_.size();
    head_ += bytes.substr(0, kMaxHead + 1 - before);
    const std::size_t end = head_.find(kHeadEnd, before < 3 ? 0 : before - 3);
    if (end == std::string::npos || end + kHeadEnd.size() > kMaxHead) {
      if (head_.size() > kMaxHead) fail_with(431);
      return;
    }
    bytes.remove_prefix(end + kHeadEnd.size() - before);
    head_.resize(end + kLineEnd.size());
    end_head();
  }
  if (state_ != State::body) return;
  request_.body += bytes.substr(0, length_ - request_.body.size());
  if (request_.body.size() == length_) state_ = State::complete;
}

void UpnpRequestReader::end_head() {
  if (const int status = read_head(head_)) return fail_with(status);
  state_ = length_ == 0 ? State::complete : State::body;
}

/// 0, or the status of the refusal; so do the others.
int UpnpRequestReader::read_head(std::string_view text) {
  bool is_first = true;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find(kLineEnd));
    text.remove_prefix(line.size() + kLineEnd.size());
    if (!is_printable(line)) return 400;
    const int status = is_first ? read_request_line(line) : read_field(line);
    if (status != 0) return status;
    is_first = false;
  }
  return read_framing();
}

int UpnpRequestReader::read_request_line(std::string_view line) {
  const std::size_t first = line.find(' ');
  const std::size_t last = line.rfind(' ');
  if (first == std::string_view::npos || first == last) return 400;
  const std::string_view target = line.substr(first + 1, last - first - 1);
  const std::string_view version = line.substr(last + 1);
  if (!is_token(line.substr(0, first)) || target.empty() || target.find_first_of(" \t") != std::string_view::npos) {
    return 400;
  }
  if (version != "HTTP/1.1" && version != "HTTP/1.0") return version.starts_with("HTTP/") ? 505 : 400;
  request_.method = line.substr(0, first);
  request_.target = target;
  return 0;
}

int UpnpRequestReader::read_field(std::string_view line) {
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos || !is_token(line.substr(0, colon))) return 400;
  if (request_.fields.size() >= kMaxFields) return 431;
  std::string name = lower(line.substr(0, colon));
  const bool once = name == "content-length" || name == "host" || name == "soapaction";
  if (once && request_.find(name) != nullptr) return 400;
  request_.fields.emplace_back(std::move(name), trim(line.substr(colon + 1)));
  return 0;
}

int UpnpRequestReader::read_framing() {
  if (request_.find("transfer-encoding") != nullptr) return 501;
  if (const std::string* const length = request_.find("content-length")) {
    const char* const end = length->data() + length->size();
    const auto [stop, error] = std::from_chars(length->data(), end, length_);
    if (error == std::errc::result_out_of_range) return 413;
    if (error != std::errc{} || stop != end) return 400;
    if (length_ > kMaxBody) return 413;
  } else if (request_.method == "POST") {
    return 411;
  }
  if (const std::string* const expectation = request_.find("expect")) {
    if (lower(*expectation) != "100-continue") return 417;
    expects_continue_ = length_ != 0;
  }
  return 0;
}

/// UPnP Device Architecture 1.0, 3.2.2 wants EXT, empty, and SERVER.
std::string to_wire(const UpnpResponse& response, std::string_view server) {
  std::string out = "HTTP/1.1 " + std::to_string(response.status) + ' ';
  out += reason_of(response.status);
  out += "\r\nConnection: close\r\nContent-Length: " + std::to_string(response.body.size());
  if (!response.body.empty()) out += "\r\nContent-Type: " + response.type;
  if (response.status == 405) out += "\r\nAllow: GET, POST";
  out += "\r\nEXT:\r\nServer: ";
  out += server;
  out += kHeadEnd;
  return out += response.body;
}

}  // namespace vnet::network
