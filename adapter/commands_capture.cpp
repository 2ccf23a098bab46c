// capture: frames as pcapng, live to us or to a file that the daemon writes.
#include <memory>

#include "adapter/commands.hpp"
#include "packet/words.hpp"

namespace vnet::adapter {
namespace {

constexpr int kMaxSnaplen = 262'144;  // bytes, as the API has it
constexpr int kMaxRotateMb = 1'048'576;
constexpr int kMaxKeep = 100'000;

/// What to record.
struct Selection {
  std::vector<std::string> nics;
  std::optional<std::string> filter;
  std::optional<std::uint32_t> snaplen;
};

void add_selection(CommandTree& tree, CLI::App& command, Selection& selection) {
  tree.completes(
      repeated(
          command
              .add_option("--nic", selection.nics,
                          "Only this NIC; may be repeated. NETWORK-gateway is a gateway, NETWORK-wan outside of it")
              ->type_name("NIC")),
      Ask::nics);
  command.add_option("--filter", selection.filter, "Only frames that pcap-filter(7) lets through")->type_name("EXPR");
  command.add_option("--snaplen", selection.snaplen, "Bytes to keep of each frame; default: all")
      ->type_name("BYTES")
      ->check(CLI::Range(0, kMaxSnaplen).description(""));
}

/// Flags of `capture` that stand before the command below it.
bool given(const Selection& selection) { return !selection.nics.empty() || selection.filter || selection.snaplen; }

struct Live {
  Selection selection;
  std::optional<std::string> file;
};

std::optional<Exit> stray(const std::string& command, const Live& live) {
  if (!live.file && !given(live.selection)) return std::nullopt;
  const std::string flag = live.file ? "-w" : "a flag before " + command;
  return usage("capture " + command + ": " + found_expected(flag, "the flags of vnet capture " + command + " --help"));
}

Command decide_live(const Live& live) {
  if (live.file && live.file->empty()) return missing("capture: -w", "path", "a file's, or - for stdout");
  Query query;
  for (const std::string& nic : live.selection.nics) query.emplace_back("nic", nic);
  if (live.selection.filter) query.emplace_back("filter", *live.selection.filter);
  if (live.selection.snaplen) query.emplace_back("snaplen", std::to_string(*live.selection.snaplen));
  return LiveCapture{api_target({"captures", "live"}, query), live.file.value_or("-")};
}

void add_start(CommandTree& tree, CLI::App& capture, const std::shared_ptr<Live>& live) {
  CLI::App& start = tree.add(capture, "start", "Begin a capture that the daemon writes to a file",
                             "  vnet capture start /tmp/run.pcapng\n"
                             "  vnet capture start run.pcapng --nic alice --filter 'udp port 53'\n"
                             "  vnet capture start ring.pcapng --rotate-mb 100 --keep 10");
  struct Given {
    std::string file;
    Selection selection;
    std::optional<std::uint32_t> rotate_mb, keep;
  };
  const auto given = std::make_shared<Given>();
  tree.completes(start.add_option("file", given->file, "The file, on the daemon's machine")->type_name("FILE"),
                 Ask::files);
  add_selection(tree, start, given->selection);
  start.add_option("--rotate-mb", given->rotate_mb, "Begin another file after so many megabytes")
      ->type_name("MB")
      ->check(CLI::Range(0, kMaxRotateMb).description(""));
  start.add_option("--keep", given->keep, "Keep so many files, the newest; default: all")
      ->type_name("FILES")
      ->check(CLI::Range(0, kMaxKeep).description(""));
  tree.on(start, CommandTree::Json::taken, [given, live, folder = tree.surroundings().folder](bool json) -> Command {
    if (auto exit = stray("start", *live)) return *exit;
    if (given->file.empty()) return missing("capture start", "file", "one for the daemon to write");
    Call call{.method = "POST", .target = api_target({"captures"}), .show = Show::capture_line, .json = json};
    RequestBody body;
    body.set("file", absolute(folder, given->file), "FILE");
    if (!given->selection.nics.empty()) body.set("nics", given->selection.nics, "--nic");
    body.set_if("filter", given->selection.filter, "--filter");
    body.set_if("snaplen", given->selection.snaplen, "--snaplen");
    body.set_if("rotate_mb", given->rotate_mb, "--rotate-mb");
    body.set_if("keep", given->keep, "--keep");
    body.into(call);
    return call;
  });
}

void add_stop(CommandTree& tree, CLI::App& capture, const std::shared_ptr<Live>& live) {
  CLI::App& stop =
      tree.add(capture, "stop", "End a capture; what was recorded is written out", "  vnet capture stop 1");
  const auto id = std::make_shared<std::string>();
  tree.completes(stop.add_option("id", *id, "Its number, as `vnet captures` shows it")->type_name("ID"), Ask::captures);
  tree.on(stop, CommandTree::Json::taken, [id, live](bool json) -> Command {
    if (auto exit = stray("stop", *live)) return *exit;
    if (id->empty()) return missing("capture stop", "id", "one that `vnet captures` shows");
    return Call{.method = "DELETE", .target = api_target({"captures", *id}), .json = json};
  });
}

}  // namespace

void add_capture_commands(CommandTree& tree) {
  CLI::App& capture =
      tree.add(tree.root(), "capture", "Live frames as pcapng; start and stop captures to files",
               "  vnet capture -w - | wireshark -k -i -        live, every frame\n"
               "  vnet capture --nic alice --filter 'not arp' -w alice.pcapng\n"
               "  vnet capture | tshark -r -\n"
               "  vnet capture start run.pcapng                 written by the daemon, until vnet capture stop");
  const auto live = std::make_shared<Live>();
  add_selection(tree, capture, live->selection);
  tree.completes(
      capture.add_option("-w", live->file, "Write to this file; -, the default, is stdout")->type_name("FILE"),
      Ask::files);
  tree.on(capture, CommandTree::Json::refused, [live](bool /*json*/) { return decide_live(*live); });
  add_start(tree, capture, live);
  add_stop(tree, capture, live);
}

}  // namespace vnet::adapter
