#include "adapter/vm/digest.hpp"

#include <fcntl.h>
#include <unistd.h>
#include <xxhash.h>

#include <cerrno>
#include <new>
#include <vector>

#include "dgram/socket.hpp"

namespace vnet::adapter {

void Digest::Free::operator()(XXH3_state_s* state) const noexcept { XXH3_freeState(state); }

Digest::Digest() : state_(XXH3_createState()) {
  if (!state_) throw std::bad_alloc{};
  XXH3_128bits_reset(state_.get());
}

void Digest::add(std::string_view bytes) { XXH3_128bits_update(state_.get(), bytes.data(), bytes.size()); }

std::string Digest::text() const {
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(state_.get()));
  std::string text;
  for (const unsigned char octet : canonical.digest) {
    text += "0123456789abcdef"[octet >> 4U];
    text += "0123456789abcdef"[octet & 15U];
  }
  return text;
}

std::string digest_of(std::string_view bytes) {
  Digest digest;
  digest.add(bytes);
  return digest.text();
}

std::optional<std::string> digest_of_file(const std::string& path) {
  const dgram::Fd fd{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (!fd) return std::nullopt;
  Digest digest;
  constexpr std::size_t kPiece = 256 * 1024;  // stays in the processor's cache
  std::vector<char> piece(kPiece);
  while (true) {
    const ssize_t size = ::read(fd.get(), piece.data(), piece.size());
    if (size == 0) return digest.text();
    if (size < 0 && errno != EINTR) return std::nullopt;
    if (size > 0) digest.add({piece.data(), static_cast<std::size_t>(size)});
  }
}

}  // namespace vnet::adapter
