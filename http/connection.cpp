#include "http/connection.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <cassert>
#include <iterator>

#include "http/sockets.hpp"

namespace vnet::http {
namespace {

constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

/// Takes the same time wherever the texts differ; only their lengths can be told apart.
bool equal_in_constant_time(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  unsigned difference = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    difference |= static_cast<unsigned>(static_cast<unsigned char>(a[i]) ^ static_cast<unsigned char>(b[i]));
  }
  return difference == 0;
}

}  // namespace

Connection::Connection(ConnectionContext& context, dgram::Fd fd)
    : context_(context), fd_(std::move(fd)), parser_(context.options.request_limits()), since_(context.clock()) {
  rewatch();
}

Connection::~Connection() {
  if (fd_ && (watches_input_ || watches_output_)) context_.poller.forget(fd_.get());
}

void Connection::on_ready(bool readable, bool) {
  const int number = fd_.get();
  if (turn(readable)) return rewatch();
  context_.ended(number);
}

bool Connection::turn(bool readable) {
  const Instant now = context_.clock();
  switch (state_) {
    case State::reading:
      if (readable && inbox_.empty() && !read(now)) return false;
      return advance(now);
    case State::answering:
      if (readable && look_ && !look_for_end()) return false;
      return write(now);
    case State::lingering: return discard();
  }
  return false;
}

bool Connection::read(Instant now) {
  std::vector<dgram::Fd> fds;
  const Transfer got = receive(fd_, context_.buffer, fds);
  if (got.kind == Transfer::Kind::failed) return false;
  if (got.kind == Transfer::Kind::blocked) return true;
  if (got.kind == Transfer::Kind::ended) {
    ended_ = true;
    return false;  // nothing is being answered, and no half of a request will become a whole one
  }
  received_ += got.count;
  for (dgram::Fd& fd : fds) passed_.push_back({received_, std::move(fd)});
  inbox_.append(context_.buffer.data(), got.count);
  if (!begun_) begun_ = now;
  if (got.too_many_fds || passed_.size() > kMaxFds) {
    return refuse(now, {400, "more than " + std::to_string(kMaxFds) + " descriptors with one request"});
  }
  return true;
}

bool Connection::advance(Instant now) {
  if (state_ != State::reading) return true;
  using Parsing = RequestParser::State;
  if (!begun_ && !inbox_.empty()) begun_ = now;
  while (!inbox_.empty() && parser_.state() != Parsing::complete) {
    const bool in_head = parser_.state() == Parsing::head;
    inbox_.erase(0, parser_.feed(inbox_));
    if (parser_.state() == Parsing::failed) return refuse(now, parser_.fault());
    if (!in_head || parser_.state() == Parsing::head) continue;
    if (!is_authorized()) return refuse(now, {401, "the token is missing or wrong"});
    if (!end_of_head()) return false;
  }
  if (parser_.state() != Parsing::complete) return !ended_;
  Request& request = parser_.request();
  request.fds = take_fds();
  ++context_.counters.requests;
  return answer(now, context_.handler(request), parser_.persistent());
}

/// A client that waits for leave to send its body is given it.
bool Connection::end_of_head() {
  if (parser_.state() != RequestParser::State::body || !parser_.expects_continue() || !inbox_.empty()) return true;
  // Nothing else is in the send buffer but earlier answers that the client has not read. One that has left no room
  // for 25 bytes gets no leave, and sends its body without it when it is tired of waiting (RFC 9110, 10.1.1).
  const Transfer taken = send(fd_, kContinue);
  return taken.kind == Transfer::Kind::blocked || taken.count == kContinue.size();
}

bool Connection::is_authorized() const {
  const std::string& token = context_.options.token;
  if (token.empty()) return true;
  constexpr std::string_view kScheme = "bearer ";
  const std::string* const given = find_field(parser_.headers(), "authorization");
  if (given == nullptr || !is_word(std::string_view{*given}.substr(0, kScheme.size()), kScheme)) return false;
  return equal_in_constant_time(std::string_view{*given}.substr(kScheme.size()), token);
}

std::vector<dgram::Fd> Connection::take_fds() {
  const std::uint64_t end = received_ - inbox_.size();
  const auto later = std::ranges::find_if(passed_, [&](const Passed& passed) { return passed.at > end; });
  std::vector<dgram::Fd> taken;
  for (auto it = passed_.begin(); it != later; ++it) taken.push_back(std::move(it->fd));
  passed_.erase(passed_.begin(), later);
  return taken;
}

bool Connection::refuse(Instant now, const Fault& fault) {
  ++context_.counters.faults;
  Response response = problem(fault);
  if (fault.status == 401) response.headers.emplace_back("WWW-Authenticate", "Bearer");
  return answer(now, std::move(response), false);
}

bool Connection::answer(Instant now, Response response, bool persistent) {
  writer_.emplace(
      std::move(response),
      ResponseWriter::Form{.to_head = parser_.is_head(), .to_http10 = parser_.is_http10(), .persistent = persistent});
  state_ = State::answering;
  begun_.reset();
  since_ = now;
  look_ = !ended_;
  return write(now);
}

bool Connection::write(Instant now) {
  if (writer_->pending().empty() && !writer_->complete() && !writer_->waiting()) writer_->produce();
  const std::string_view bytes = writer_->pending().substr(0, kWriteBytes);
  if (!bytes.empty()) {
    const Transfer taken = send(fd_, bytes);
    if (taken.kind == Transfer::Kind::failed) return false;
    if (taken.kind == Transfer::Kind::moved) {
      writer_->sent(taken.count);
      since_ = now;
    }
  }
  if (writer_->complete() && writer_->broken()) return false;
  return !writer_->complete() || after_answer(now);
}

bool Connection::after_answer(Instant now) {
  since_ = now;
  if (writer_->hands_over()) {
    context_.poller.forget(fd_.get());
    watches_input_ = watches_output_ = false;
    writer_->hand_over(std::move(fd_), std::move(inbox_));
    return false;
  }
  const bool persistent = writer_->persistent();
  writer_.reset();
  if (!persistent) {
    if (ended_) return false;
    ::shutdown(fd_.get(), SHUT_WR);
    passed_.clear();
    inbox_.clear();
    state_ = State::lingering;
    return true;
  }
  parser_ = RequestParser{context_.options.request_limits()};
  state_ = State::reading;
  return !ended_ || !inbox_.empty();
}

/// Input while an answer is being sent: the client's next request, or its end, or the end of what it will send.
bool Connection::look_for_end() {
  look_ = false;
  char byte = 0;
  const ssize_t size = ::recv(fd_.get(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  ended_ = size == 0;
  return size > 0 || !is_hung_up(fd_);
}

bool Connection::discard() {
  const Transfer got = receive(fd_, context_.buffer);
  discarded_ += got.count;
  const bool goes_on = got.kind == Transfer::Kind::moved || got.kind == Transfer::Kind::blocked;
  return goes_on && discarded_ <= kMaxLingerBytes;
}

Instant Connection::next_deadline() const {
  const ServerOptions& options = context_.options;
  switch (state_) {
    case State::reading: return begun_ ? *begun_ + options.request_time : since_ + options.idle_time;
    case State::answering: return writer_->waiting() ? kNever : since_ + options.stall_time;
    case State::lingering: return since_ + kLingerTime;
  }
  return kNever;
}

bool Connection::expire(Instant now) {
  if (now < next_deadline()) return true;
  if (state_ == State::reading && begun_) {
    ++context_.counters.timed_out;
    if (!refuse(now, {408, "the request did not come in time"})) return false;
    rewatch();
    return true;
  }
  if (state_ == State::answering) ++context_.counters.timed_out;
  return false;
}

void Connection::wake() {
  if (state_ != State::answering) return;
  // A stream that waits goes on from now, and must not be found stalled for the time in which it waited.
  if (writer_->waiting()) since_ = context_.clock();
  writer_->wake();
  rewatch();
}

std::optional<Instant> Connection::idle_since() const {
  if (state_ != State::reading || begun_ || !inbox_.empty() || has_input(fd_)) return std::nullopt;
  return since_;
}

void Connection::rewatch() {
  const bool answering = state_ == State::answering;
  const bool input = answering ? look_ : inbox_.empty();
  // With requests left over, being writable is what gives this connection its next turn.
  const bool output = answering ? !writer_->waiting() : state_ == State::reading && !inbox_.empty();
  if (input == watches_input_ && output == watches_output_) return;
  watches_input_ = input;
  watches_output_ = output;
  if (input || output) {
    context_.poller.watch(fd_.get(), input, output, *this);
  } else {
    context_.poller.forget(fd_.get());
  }
}

}  // namespace vnet::http
