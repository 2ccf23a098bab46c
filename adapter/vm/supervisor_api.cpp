// The supervisor's side of its control socket: requests become jobs, jobs' reports become answers.
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <type_traits>
#include <utility>

#include "adapter/vm/agent_job.hpp"
#include "adapter/vm/cache.hpp"
#include "adapter/vm/save_job.hpp"
#include "adapter/vm/screenshot_job.hpp"
#include "adapter/vm/supervisor.hpp"
#include "packet/words.hpp"

namespace vnet::adapter {
namespace {

/// A report as it grows.
class ReportBody final : public http::Body {
 public:
  explicit ReportBody(std::shared_ptr<Report> report) : report_(std::move(report)) {}
  ~ReportBody() override { report_->abandon(); }
  More produce(std::string& out) override {
    while (const auto line = report_->take()) out += *line + "\n";
    return report_->over() ? More::no : More::wait;
  }

 private:
  std::shared_ptr<Report> report_;
};

http::Response answer(const Json& document, int status = 200) {
  http::Response response;
  response.status = status;
  response.body = compact(document);
  return response;
}

http::Response problem(int status, const std::string& detail) {
  http::Response response = answer({{"status", status}, {"detail", detail}}, status);
  response.type = "application/problem+json";
  return response;
}

http::Response too_many_jobs() { return problem(503, "too many things at once with this VM"); }
http::Response while_busy(const std::string& busy) { return problem(409, "the VM is busy: " + busy); }

/// A picture, or why there is none.
class PictureAnswer final : public http::Later {
 public:
  PictureAnswer(std::shared_ptr<Report> report, std::shared_ptr<std::string> png)
      : report_(std::move(report)), png_(std::move(png)) {}
  std::optional<http::Response> take() override {
    if (!report_->over()) return std::nullopt;
    if (report_->has_failed()) return problem(502, *report_->failure());
    http::Response response;
    response.type = "image/png";
    response.body = std::move(*png_);
    return response;
  }

 private:
  std::shared_ptr<Report> report_;
  std::shared_ptr<std::string> png_;
};

}  // namespace

template <typename JobOf, typename... Arguments>
std::shared_ptr<Report> Supervisor::begin(Arguments&&... arguments) {
  // However many wait for a QEMU that does not answer, it can be ended.
  if (jobs_.size() >= kMaxJobs && !std::is_same_v<JobOf, StopJob>) return nullptr;
  auto report = std::make_shared<Report>();
  jobs_.push_back(std::make_unique<JobOf>(*vm_, report, std::forward<Arguments>(arguments)...));
  return report;
}

template <typename JobOf, typename... Arguments>
http::Response Supervisor::begin_reported(Arguments&&... arguments) {
  const auto report = begin<JobOf>(std::forward<Arguments>(arguments)...);
  if (report == nullptr) return too_many_jobs();
  http::Response response;
  response.type = "application/x-ndjson";
  response.stream = std::make_unique<ReportBody>(report);
  return response;
}

Json Supervisor::view() {
  Json nics = Json::array();
  for (const auto& nic : vm_->nics()) nics.push_back(nic->view());
  const std::string job = jobs_.empty() ? "" : jobs_.front()->name();
  Json json = {{"name", vm_->spec().name},
               {"state", !job.empty() && jobs_.front()->exclusive() ? job
                         : vm_->running()                           ? "running"
                                                                    : "paused"},
               {"pid", vm_->pid()},
               {"supervisor", ::getpid()},
               {"accel", vm_->how().accel},
               {"memory_mib", vm_->spec().memory_mib},
               {"cpus", vm_->spec().cpus},
               {"switch", vm_->line().path()},
               {"agent", vm_->agent().heard()},
               {"nics", std::move(nics)}};
  return json;
}

http::Response Supervisor::handle(http::Request& request) {
  if (vm_ == nullptr) return problem(503, "the VM is not there yet");
  if (request.path == std::vector<std::string>{"v1", "vm"}) {
    return request.method == "GET" ? answer(view()) : problem(405, "GET only");
  }
  if (request.path == std::vector<std::string>{"v1", "screenshot"}) {
    return request.method == "GET" ? screenshot(request) : problem(405, "GET only");
  }
  if (request.path.size() != 2 || request.path[0] != "v1") return problem(404, "there is no such thing here");
  if (request.method != "POST") return problem(405, "POST only");
  const auto body = request.body.empty() ? Json::object() : parse_json(request.body);
  if (!body || !body->is_object()) return problem(400, "the body is no JSON object");
  return post(request.path[1], *body);
}

std::string Supervisor::busy() const {
  const auto exclusive = std::ranges::find_if(jobs_, [](const auto& job) { return job->exclusive(); });
  return exclusive == jobs_.end() ? "" : (*exclusive)->name();
}

http::Response Supervisor::screenshot(const http::Request& request) {
  const auto bounds = read_picture_query(request.query);
  if (!bounds) return problem(400, bounds.error());
  if (const std::string other = busy(); !other.empty()) return while_busy(other);
  const auto png = std::make_shared<std::string>();
  auto report = begin<ScreenshotJob>(png, *bounds, PollLoop::now());
  if (report == nullptr) return too_many_jobs();
  http::Response response;
  response.later = std::make_unique<PictureAnswer>(std::move(report), png);
  return response;
}

http::Response Supervisor::post(const std::string& verb, const Json& body) {
  const Instant now = PollLoop::now();
  if (verb == "stop") {
    if (stopping_) return problem(409, "the VM is being stopped already");
    stopping_ = true;
    const Json& given = member(body, "timeout_s");
    const auto patience = given.is_null() ? kStopPatience : Duration{std::chrono::seconds{count_at(body, "timeout_s")}};
    return begin_reported<StopJob>(patience, now);
  }
  if (const std::string other = busy(); !other.empty()) return while_busy(other);
  if (verb == "save" && body.contains("cache"))
    return begin_reported<SaveJob>(cache_entry(text_at(body, "cache")), now);
  if (verb == "save") {
    const std::string name = text_at(body, "snapshot");
    if (const std::string bad = vm_name_problem(name); !bad.empty()) return problem(400, "the snapshot's " + bad);
    return begin_reported<SaveJob>(find_snapshot(name), now);
  }
  if (verb == "agent") {
    const Json& command = member(body, "command");
    if (!command.is_object()) return problem(400, found_expected("no command", "an object, such as {\"exec\": [...]}"));
    return begin_reported<AgentJob>(command, std::chrono::seconds{count_at(body, "timeout_s")}, now);
  }
  if (verb != "attach" && verb != "detach") return problem(404, "there is no such thing here");
  const std::string name = text_at(body, "nic");
  std::vector<std::string> names;
  for (const auto& nic : vm_->nics()) names.push_back(nic->nic().name);
  NicPort* const nic = !name.empty() ? vm_->find_nic(name) : names.size() == 1 ? vm_->nics().front().get() : nullptr;
  if (nic == nullptr) {
    return problem(404, name.empty() ? "the VM has several NICs; name one of " + join(names)
                                     : found_expected("the NIC " + in_quotes(name), "one of " + join(names)) +
                                           did_you_mean(name, names));
  }
  if (verb == "detach") return begin_reported<NicJob>(*nic, std::nullopt, now);
  return begin_reported<NicJob>(*nic, text_at(body, "network"), now);
}

}  // namespace vnet::adapter
