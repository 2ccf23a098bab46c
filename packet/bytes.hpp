// Bytes on the wire: borrowed views, big-endian loads and stores, and two cursors that cannot run over.
//
// Every parser in the project reads through `ByteReader` or through a view whose `parse` has checked the
// length once. Both cursors are *sticky*: an access past the end yields zeros (or writes nothing) and turns
// `ok()` false for good, so a parser reads a whole header straight down and asks once at the end. There are
// no pointer casts onto packets anywhere; memcpy plus a byte swap compiles to one load.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

namespace vnet {

using ByteView = std::span<const std::uint8_t>;
using ByteSpan = std::span<std::uint8_t>;

namespace detail {
template <typename T>
[[nodiscard]] constexpr T swap_bytes(T value) noexcept {
  if constexpr (sizeof(T) == 1) return value;
  if constexpr (sizeof(T) == 2) return static_cast<T>(__builtin_bswap16(value));
  if constexpr (sizeof(T) == 4) return static_cast<T>(__builtin_bswap32(value));
  if constexpr (sizeof(T) == 8) return static_cast<T>(__builtin_bswap64(value));
}
}  // namespace detail

/// Reads a big-endian unsigned integer. The caller has checked that `sizeof(T)` bytes are there.
template <typename T>
[[nodiscard]] inline T load_be(const std::uint8_t* at) noexcept {
  T value;
  std::memcpy(&value, at, sizeof value);
  if constexpr (std::endian::native == std::endian::little) value = detail::swap_bytes(value);
  return value;
}

/// Writes a big-endian unsigned integer. The caller has checked that `sizeof(T)` bytes of room are there.
template <typename T>
inline void store_be(std::uint8_t* at, T value) noexcept {
  if constexpr (std::endian::native == std::endian::little) value = detail::swap_bytes(value);
  std::memcpy(at, &value, sizeof value);
}

/// A text's bytes, for option values and tests.
[[nodiscard]] inline ByteView as_bytes(std::string_view text) noexcept {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

/// Bytes as text. The content may be anything; nothing is validated.
[[nodiscard]] inline std::string_view as_text(ByteView bytes) noexcept {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// Reads forward through a borrowed view; see the sticky rule above.
class ByteReader {
 public:
  explicit constexpr ByteReader(ByteView bytes) noexcept : bytes_(bytes) {}

  [[nodiscard]] std::uint8_t u8() noexcept { return take<std::uint8_t>(); }
  [[nodiscard]] std::uint16_t be16() noexcept { return take<std::uint16_t>(); }
  [[nodiscard]] std::uint32_t be32() noexcept { return take<std::uint32_t>(); }
  [[nodiscard]] std::uint64_t be64() noexcept { return take<std::uint64_t>(); }

  /// The next `count` bytes, or an empty view and `ok() == false`.
  [[nodiscard]] ByteView bytes(std::size_t count) noexcept {
    if (count > remaining()) {
      fail();
      return {};
    }
    const ByteView taken = bytes_.subspan(position_, count);
    position_ += count;
    return taken;
  }
  void skip(std::size_t count) noexcept { (void)bytes(count); }
  /// All that is left.
  [[nodiscard]] ByteView rest() noexcept { return bytes(remaining()); }

  [[nodiscard]] bool ok() const noexcept { return ok_; }
  [[nodiscard]] std::size_t position() const noexcept { return position_; }
  [[nodiscard]] std::size_t remaining() const noexcept { return bytes_.size() - position_; }

 private:
  template <typename T>
  T take() noexcept {
    if (sizeof(T) > remaining()) {
      fail();
      return 0;
    }
    const T value = load_be<T>(bytes_.data() + position_);
    position_ += sizeof(T);
    return value;
  }
  void fail() noexcept {
    ok_ = false;
    position_ = bytes_.size();
  }

  ByteView bytes_;
  std::size_t position_ = 0;
  bool ok_ = true;
};

/// Writes forward into a borrowed span; see the sticky rule above.
class ByteWriter {
 public:
  explicit constexpr ByteWriter(ByteSpan bytes) noexcept : bytes_(bytes) {}

  void u8(std::uint8_t value) noexcept { put(value); }
  void be16(std::uint16_t value) noexcept { put(value); }
  void be32(std::uint32_t value) noexcept { put(value); }
  void be64(std::uint64_t value) noexcept { put(value); }
  void bytes(ByteView source) noexcept {
    if (!reserve(source.size())) return;
    if (!source.empty()) std::memcpy(bytes_.data() + position_, source.data(), source.size());
    position_ += source.size();
  }
  void zeros(std::size_t count) noexcept {
    if (!reserve(count)) return;
    if (count != 0) std::memset(bytes_.data() + position_, 0, count);
    position_ += count;
  }
  /// Overwrites two bytes written before, for a length or checksum known only at the end.
  void patch_be16(std::size_t at, std::uint16_t value) noexcept {
    if (at + sizeof value <= position_) store_be(bytes_.data() + at, value);
  }
  void patch_u8(std::size_t at, std::uint8_t value) noexcept {
    if (at < position_) bytes_[at] = value;
  }
  /// Takes back what was written after `position`, and the failure that may have followed it.
  void rewind(std::size_t position) noexcept {
    if (position > position_) return;
    position_ = position;
    ok_ = true;
  }

  [[nodiscard]] bool ok() const noexcept { return ok_; }
  [[nodiscard]] std::size_t position() const noexcept { return position_; }
  [[nodiscard]] std::size_t room() const noexcept { return bytes_.size() - position_; }
  [[nodiscard]] ByteView written() const noexcept { return bytes_.first(position_); }

 private:
  template <typename T>
  void put(T value) noexcept {
    if (!reserve(sizeof(T))) return;
    store_be(bytes_.data() + position_, value);
    position_ += sizeof(T);
  }
  bool reserve(std::size_t count) noexcept {
    if (ok_ && count <= room()) return true;
    ok_ = false;
    return false;
  }

  ByteSpan bytes_;
  std::size_t position_ = 0;
  bool ok_ = true;
};

}  // namespace vnet
