// The commands of `vnet` as a tree, on top of CLI11: what each takes, what it decides, and what may complete its words.
//
// CLI11 splits the arguments; what it is bad at is done here: a misspelled command or flag gets the nearest name, a
// missing word says which one. One tree serves parsing, --help and the shells' completion, so they cannot disagree.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "adapter/options.hpp"

namespace vnet::adapter {

/// What may stand for a word, beside fixed ones: asked of the daemon, or a file of the shell's.
enum class Ask { nothing, nics, networks, services, leases, captures, forwards, dns_names, vms, files };

struct Candidates {
  std::vector<std::pair<std::string, std::string>> words;  ///< with a description, or none
  Ask ask = Ask::nothing;
};

/// A command line that is wrong; `message` is a sentence without "vnet: ".
[[nodiscard]] Exit usage(const std::string& message);

class CommandTree {
 public:
  /// The flags that all commands share have been read: `json` is true when --json was given.
  using Decide = std::function<Command(bool json)>;
  /// What may complete a positional word, by those that stand before it in the same command.
  using Complete = std::function<Candidates(const std::vector<std::string>& earlier)>;

  explicit CommandTree(Surroundings surroundings);

  [[nodiscard]] const Surroundings& surroundings() const { return surroundings_; }
  [[nodiscard]] CLI::App& root() { return root_; }
  [[nodiscard]] const CLI::App& root() const { return root_; }
  /// A command below `parent`. `examples` are lines of --help.
  CLI::App& add(CLI::App& parent, const std::string& name, const std::string& description, const std::string& examples);
  enum class Json { taken, refused };
  void on(const CLI::App& command, Json json, Decide decide);

  /// Values of `option` are completed by `ask`, or from `words`.
  void completes(const CLI::Option* option, Ask ask);
  void completes(const CLI::Option* option, const std::vector<std::string>& words);
  void completes(const CLI::Option* option, Complete complete) { completions_[option] = std::move(complete); }

  [[nodiscard]] CommandLine parse(const std::vector<std::string>& arguments);
  /// What may stand for the last of `words`, not yet narrowed to those that begin like it.
  [[nodiscard]] Candidates candidates(const std::vector<std::string>& words) const;

 private:
  struct Node {
    Json json = Json::taken;
    Decide decide;
  };

  [[nodiscard]] const CLI::App& deepest() const;
  [[nodiscard]] Exit unknown(const CLI::App& command, const std::vector<std::string>& extra) const;
  [[nodiscard]] Candidates values_of(const CLI::Option* option, const std::vector<std::string>& earlier) const;

  Surroundings surroundings_;
  CLI::App root_;
  Common common_;
  std::string color_ = "auto";
  bool json_ = false;
  std::map<const CLI::App*, Node> nodes_;
  std::map<const CLI::Option*, Complete> completions_;
};

}  // namespace vnet::adapter
