// StreamDecoder: cuts a byte stream into frames, each behind its length in four bytes, big-endian (the framing of
// QEMU's `-netdev stream` and `socket`, of passt and of socket_vmnet).
//
// Frames that lie whole in the bytes just read are passed on as views of them; only a frame that a read has cut in
// two is put together in memory of the decoder's own. A length of zero is refused and skipped. A length beyond the
// largest frame cannot be skipped, because nothing says that what follows is a frame boundary: the stream is broken.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "packet/bytes.hpp"
#include "packet/ethernet.hpp"

namespace vnet::dgram {

class StreamDecoder {
 public:
  static constexpr std::size_t kPrefixBytes = 4;

  /// Appends the frames that end within `bytes` to `frames`; they are views of `bytes` or of the decoder, valid until
  /// the next call. False when the stream is broken for good.
  [[nodiscard]] bool feed(ByteView bytes, std::vector<ByteView>& frames) {
    if (broken_) return false;
    whole_.clear();
    if (!partial_.empty()) {
      bytes = complete_partial(bytes);
      if (broken_) return false;
      if (!whole_.empty()) frames.emplace_back(ByteView{whole_}.subspan(kPrefixBytes));
    }
    while (bytes.size() >= kPrefixBytes) {
      const std::size_t length = load_be<std::uint32_t>(bytes.data());
      if (!length_ok(length)) return false;
      if (bytes.size() - kPrefixBytes < length) break;
      if (length != 0) frames.push_back(bytes.subspan(kPrefixBytes, length));
      bytes = bytes.subspan(kPrefixBytes + length);
    }
    partial_.insert(partial_.end(), bytes.begin(), bytes.end());
    return true;
  }

  /// The bytes of a record whose end has not come. Fed to another decoder they bring it to where this one is.
  [[nodiscard]] ByteView partial() const noexcept { return partial_; }

  /// Records of length zero since the last call.
  [[nodiscard]] std::uint64_t take_empty() noexcept { return std::exchange(empty_, 0); }

 private:
  bool length_ok(std::size_t length) noexcept {
    if (length == 0) ++empty_;
    broken_ = length > kMaxFrameSize;
    return !broken_;
  }

  /// Moves bytes into the partial record until it is whole; returns what is left of them.
  ByteView complete_partial(ByteView bytes) {
    const auto take = [&](std::size_t wanted) {
      const std::size_t count = std::min(wanted - std::min(wanted, partial_.size()), bytes.size());
      partial_.insert(partial_.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(count));
      bytes = bytes.subspan(count);
      return partial_.size() >= wanted;
    };
    if (!take(kPrefixBytes)) return bytes;
    const std::size_t length = load_be<std::uint32_t>(partial_.data());
    if (length > kMaxFrameSize) {
      broken_ = true;
      return bytes;
    }
    if (!take(kPrefixBytes + length)) return bytes;
    if (length == 0) {
      ++empty_;
      partial_.clear();
    } else {
      std::swap(whole_, partial_);
    }
    return bytes;
  }

  std::vector<std::uint8_t> partial_;
  std::vector<std::uint8_t> whole_;
  std::uint64_t empty_ = 0;
  bool broken_ = false;
};

}  // namespace vnet::dgram
