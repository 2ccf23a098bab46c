// Feeds header fields to what decides about conditional requests and ranges, and checks what it says of them.
//
// Input: the first byte says how large the file is; the rest are values, a line each, of the fields in kFields.
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "http/conditions.hpp"
#include "http/date.hpp"
#include "packet/bytes.hpp"

namespace {

using namespace vnet;
using namespace vnet::http;

constexpr std::array kFields = {"range",         "if-range",          "if-match",
                                "if-none-match", "if-modified-since", "if-unmodified-since"};
constexpr std::int64_t kNow = 1'800'000'000;

void require(bool condition) {
  if (!condition) std::abort();
}

void check_part(const Request& request, const Validators& validators, std::uint64_t size) {
  const auto part = asked_part(request, validators, size, kNow);
  if (!part) return;
  require(request.header("range") != nullptr && !request.head);
  if (!part->satisfiable) return;
  require(part->size > 0 && part->size <= size && part->first <= size - part->size);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::uint64_t file_size = data[0] == 0xff ? UINT64_MAX : std::uint64_t{data[0]} << (data[0] % 56U);
  std::string_view rest = as_text(ByteView{data, size}.subspan(1));
  Request request;
  for (const char* field : kFields) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    const std::string value{rest.substr(0, end)};
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (!value.empty()) request.headers.emplace_back(field, value);
    if (const auto date = parse_date(value, kNow)) require(parse_date(to_date(*date), kNow) == date);
  }
  for (const Validators& validators : {Validators{"\"a\"", kNow - 9}, Validators{"W/\"a\"", 0}}) {
    check_part(request, validators, file_size);
    const Precondition verdict = check_preconditions(request, validators, kNow);
    require(verdict == Precondition::met || request.headers.size() > 0);
  }
  return 0;
}
