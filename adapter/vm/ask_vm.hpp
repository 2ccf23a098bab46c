// Asking a running VM's supervisor, from the command line.
#pragma once

#include <functional>
#include <string>

#include "adapter/json.hpp"
#include "adapter/vm/spec.hpp"
#include "http/client.hpp"

namespace vnet::adapter {

/// What the supervisor says of the VM. The error is a sentence that says what to do next.
[[nodiscard]] Read<Json> view_vm(const std::string& name);
/// The body of the answer to a GET of `target`, as soon as it comes.
[[nodiscard]] Read<std::string> get_from_vm(const std::string& name, const std::string& target,
                                            Duration timeout = http::kForever);
/// A line of a job's own.
using OnLine = std::function<void(const Json& line)>;
/// Starts a job and follows its report: steps go to stderr as they come; the result, or why there is none.
[[nodiscard]] Read<Json> ask_vm(const std::string& name, const std::string& verb, const Json& body,
                                const OnLine& on_line = {});

}  // namespace vnet::adapter
