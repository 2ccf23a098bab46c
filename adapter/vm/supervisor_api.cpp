// The supervisor's side of its control socket: requests become jobs, jobs' reports become answers.
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "adapter/vm/agent_job.hpp"
#include "adapter/vm/cache.hpp"
#include "adapter/vm/save_job.hpp"
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

}  // namespace

template <typename JobOf, typename... Arguments>
http::Response Supervisor::begin(Arguments&&... arguments) {
  if (jobs_.size() >= kMaxJobs) return problem(503, "too many things at once with this VM");
  const auto report = std::make_shared<Report>();
  auto job = std::make_unique<JobOf>(*vm_, report, std::forward<Arguments>(arguments)...);
  jobs_.push_back(std::move(job));
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
  if (request.path.size() != 2 || request.path[0] != "v1") return problem(404, "there is no such thing here");
  if (request.method != "POST") return problem(405, "POST only");
  const auto body = request.body.empty() ? Json::object() : parse_json(request.body);
  if (!body || !body->is_object()) return problem(400, "the body is no JSON object");
  return post(request.path[1], *body);
}

http::Response Supervisor::post(const std::string& verb, const Json& body) {
  const auto exclusive = std::ranges::find_if(jobs_, [](const auto& job) { return job->exclusive(); });
  const std::string busy = exclusive == jobs_.end() ? "" : (*exclusive)->name();
  const Instant now = PollLoop::now();
  if (verb == "stop") {
    if (stopping_) return problem(409, "the VM is being stopped already");
    stopping_ = true;
    const Json& given = member(body, "timeout_s");
    const auto patience = given.is_null() ? kStopPatience : Duration{std::chrono::seconds{count_at(body, "timeout_s")}};
    return begin<StopJob>(patience, now);
  }
  if (!busy.empty()) return problem(409, "the VM is busy: " + busy);
  if (verb == "save" && body.contains("cache")) return begin<SaveJob>(cache_entry(text_at(body, "cache")), now);
  if (verb == "save") {
    const std::string name = text_at(body, "snapshot");
    if (const std::string bad = vm_name_problem(name); !bad.empty()) return problem(400, "the snapshot's " + bad);
    return begin<SaveJob>(find_snapshot(name), now);
  }
  if (verb == "agent") {
    const Json& command = member(body, "command");
    if (!command.is_object()) return problem(400, found_expected("no command", "an object, such as {\"exec\": [...]}"));
    return begin<AgentJob>(command, std::chrono::seconds{count_at(body, "timeout_s")}, now);
  }
  if (verb == "screenshot") return begin<ScreenshotJob>(text_at(body, "file"), now);
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
  if (verb == "detach") return begin<NicJob>(*nic, std::nullopt, now);
  return begin<NicJob>(*nic, text_at(body, "network"), now);
}

}  // namespace vnet::adapter
