// Asking a running VM's supervisor, from the command line.
#pragma once

#include <functional>
#include <string>

#include "adapter/json.hpp"
#include "adapter/vm/spec.hpp"

namespace vnet::adapter {

/// What the supervisor says of the VM. The error is a sentence that says what to do next.
[[nodiscard]] Read<Json> view_vm(const std::string& name);
/// A line of a job's own.
using OnLine = std::function<void(const Json& line)>;
/// Starts a job and follows its report: steps go to stderr as they come; the result, or why there is none.
[[nodiscard]] Read<Json> ask_vm(const std::string& name, const std::string& verb, const Json& body,
                                const OnLine& on_line = {});

}  // namespace vnet::adapter
