// Digest: the name of a file's content, in pieces: XXH3, 128 bits (libxxhash).
//
// It has to tell files apart that nobody has made to deceive us, and to do so at the speed of memory: a saved state is
// looked through before it is used, and a restore takes less than a cryptographic hash of it would. libxxhash is in
// Debian, and is what rsync, zstd and git-annex use for the same.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

struct XXH3_state_s;

namespace vnet::adapter {

class Digest {
 public:
  Digest();
  void add(std::string_view bytes);
  /// 32 hexadecimal digits, of all that has been added so far.
  [[nodiscard]] std::string text() const;

 private:
  struct Free {
    void operator()(XXH3_state_s* state) const noexcept;
  };
  std::unique_ptr<XXH3_state_s, Free> state_;
};

[[nodiscard]] std::string digest_of(std::string_view bytes);
/// Of a whole file; nothing when it cannot be read.
[[nodiscard]] std::optional<std::string> digest_of_file(const std::string& path);

}  // namespace vnet::adapter
