// snapshot, restore, reload, metrics, api, completion: the daemon as a whole.
#include <algorithm>
#include <memory>

#include "adapter/commands.hpp"
#include "packet/words.hpp"

namespace vnet::adapter {
namespace {

void add_snapshot(CommandTree& tree) {
  CLI::App& snapshot = tree.add(tree.root(), "snapshot", "What the switch remembers of NICs, as JSON",
                                "  vnet snapshot > all.json\n"
                                "  vnet snapshot alice bob > two.json");
  const auto nics = std::make_shared<std::vector<std::string>>();
  tree.completes(snapshot.add_option("nics", *nics, "Names; none: all")->type_name("NIC"), Ask::nics);
  tree.on(snapshot, CommandTree::Json::taken, [nics](bool json) -> Command {
    Call call{.method = "POST", .target = api_target({"snapshot"}), .show = Show::document, .json = json};
    RequestBody body;
    if (!nics->empty()) body.set("nics", *nics, "NIC");
    body.into(call);
    return call;
  });
}

void add_restore(CommandTree& tree) {
  CLI::App& restore = tree.add(tree.root(), "restore", "Remember it again",
                               "  vnet restore all.json\n"
                               "  vnet snapshot alice | ssh other vnet restore -");
  const auto file = std::make_shared<std::string>();
  tree.completes(restore.add_option("file", *file, "What `vnet snapshot` wrote; - is stdin")->type_name("FILE"),
                 Ask::files);
  tree.on(restore, CommandTree::Json::taken, [file](bool json) -> Command {
    if (file->empty()) return missing("restore", "file", "what `vnet snapshot` wrote, or - for stdin");
    return Call{
        .method = "POST", .target = api_target({"restore"}), .body_of = *file, .show = Show::restored, .json = json};
  });
}

void add_api(CommandTree& tree) {
  CLI::App& api = tree.add(tree.root(), "api", "Anything of the API: METHOD PATH [JSON]",
                           "  vnet api GET /v1/openapi.json                what there is\n"
                           "  vnet api PATCH /v1/nics/alice '{\"hostname\": \"a\"}'\n"
                           "  vnet api POST /v1/nics - < nic.json");
  struct Given {
    std::string method, path;
    std::optional<std::string> body;
  };
  const auto given = std::make_shared<Given>();
  tree.completes(api.add_option("method", given->method, "GET, POST, PUT, PATCH or DELETE")->type_name("METHOD"),
                 {"GET", "POST", "PUT", "PATCH", "DELETE"});
  api.add_option("path", given->path, "As /v1/nics?network=home")->type_name("PATH");
  api.add_option("body", given->body, "The request's document; - is stdin")->type_name("JSON");
  tree.on(api, CommandTree::Json::taken, [given](bool json) -> Command {
    const std::vector<std::string> methods = {"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"};
    if (given->method.empty()) return missing("api", "method", "METHOD PATH [JSON]");
    if (std::ranges::find(methods, given->method) == methods.end()) return no_such_word("api", given->method, methods);
    const bool clean = std::ranges::all_of(given->path, [](char c) { return c > ' ' && c < 127; });
    if (!given->path.starts_with('/') || !clean) {
      return usage("api: " + found_expected("the path " + in_quotes(given->path),
                                            "one that begins with / and has no spaces, such as /v1/nics"));
    }
    Call call{.method = given->method, .target = given->path, .show = Show::raw, .json = json};
    if (given->body == "-") {
      call.body_of = "-";
    } else {
      call.body = given->body.value_or("");
    }
    return call;
  });
}

void add_completion(CommandTree& tree) {
  CLI::App& completion = tree.add(tree.root(), "completion", "The completion script of a shell",
                                  "  source <(vnet completion bash)               in ~/.bashrc\n"
                                  "  vnet completion zsh > ~/.zfunc/_vnet         a folder of $fpath");
  const std::vector<std::string> shells = {"bash", "zsh"};
  const auto shell = std::make_shared<std::string>();
  tree.completes(completion.add_option("shell", *shell, "bash or zsh")->type_name("SHELL"), shells);
  tree.on(completion, CommandTree::Json::refused, [shell, shells](bool /*json*/) -> Command {
    if (std::ranges::find(shells, *shell) == shells.end()) return no_such_word("completion", *shell, shells);
    return Exit{ExitCode::ok, std::string{completion_script(*shell)}};
  });
}

}  // namespace

void add_daemon_commands(CommandTree& tree) {
  add_snapshot(tree);
  add_restore(tree);
  const CLI::App& reload =
      tree.add(tree.root(), "reload", "Have the daemon read its config file again", "  vnet reload");
  tree.on(reload, CommandTree::Json::taken, [](bool json) -> Command {
    return Call{.method = "POST", .target = api_target({"reload"}), .show = Show::reload, .json = json};
  });
  const CLI::App& metrics =
      tree.add(tree.root(), "metrics", "The metrics that Prometheus reads", "  vnet metrics | grep drops");
  tree.on(metrics, CommandTree::Json::refused,
          [](bool /*json*/) -> Command { return Call{.target = "/metrics", .show = Show::text}; });
  add_api(tree);
  add_completion(tree);
}

}  // namespace vnet::adapter
