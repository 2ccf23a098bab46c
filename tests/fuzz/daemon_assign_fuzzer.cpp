// What a guest may say to the assignment service: cut into lines however it comes, each within bounds; what is
// understood says the same when it is said again.
#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include "daemon/assign_protocol.hpp"
#include "packet/bytes.hpp"

using vnet::daemon::AssignLines;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = vnet::as_text({data, size});
  std::vector<std::string> whole;
  std::vector<std::string> pieces;
  AssignLines at_once;
  AssignLines bit_by_bit;
  const bool fits = at_once.take(text, whole);
  bool still_fits = true;
  for (std::size_t at = 0; still_fits && at < text.size(); at += 7) {
    still_fits = bit_by_bit.take(text.substr(at, 7), pieces);
  }
  if (fits != still_fits || (fits && whole != pieces)) std::abort();
  for (const std::string& line : whole) {
    if (line.size() > AssignLines::kMaxLine || line.find('\n') != std::string::npos) std::abort();
    const auto request = vnet::daemon::parse_assign_request(line);
    if (!request) continue;
    std::string again = R"({"stay": )" + std::string{request->stay ? "true" : "false"};
    if (request->mac) again += R"(, "mac": ")" + request->mac->to_string() + "\"";
    if (vnet::daemon::parse_assign_request(again + "}") != request) std::abort();
  }
  return 0;
}
