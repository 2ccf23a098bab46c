// The producer's half of a capture. Only `create` and `add_interface` allocate.
#include "pcap/writer.hpp"

#include <pthread.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#include <algorithm>
#include <bit>
#include <csignal>
#include <system_error>

namespace vnet::capture {
namespace {

/// Only the producer writes, so that no read-modify-write instruction is needed.
void increment(std::atomic<std::uint64_t>& counter) noexcept {
  counter.store(counter.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}

std::vector<std::uint8_t> section_header(const std::string& application) {
  utsname system{};
  std::string os;
  if (::uname(&system) >= 0) os = std::string{system.sysname} + " " + system.release;
  std::vector<std::uint8_t> bytes;
  append(bytes, SectionBlock{.application = application, .os = os});
  return bytes;
}

bool has_content(const std::string& path) noexcept {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode) && status.st_size > 0;
}

/// Blocks every signal in the calling thread, and so in the threads it starts, while it lives. Signals then go to
/// the threads that expect them, and a broken pipe or a file size limit is an errno value in the writer thread.
class BlockedSignals {
 public:
  BlockedSignals() noexcept {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~BlockedSignals() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  BlockedSignals(const BlockedSignals&) = delete;
  BlockedSignals& operator=(const BlockedSignals&) = delete;

 private:
  sigset_t before_{};
};

/// A batch thread does not preempt the thread that wakes it, which is the switch's: on a busy two-core machine this
/// took a `record` that wakes from 20 us (a tenth of them: from milliseconds) to 2 us. Should it fail, only speed is
/// lost.
void yield_to_the_switch([[maybe_unused]] std::thread& thread) noexcept {
#ifdef SCHED_BATCH
  const sched_param unused{};
  ::pthread_setschedparam(thread.native_handle(), SCHED_BATCH, &unused);
#endif
}

}  // namespace

Result<std::unique_ptr<Writer>, std::string> Writer::create(Options options) {
  Descriptor given{options.fd};
  auto filter = Filter::compile(options.filter);
  if (!filter) return fail("capture filter \"" + options.filter + "\": " + filter.error());
  if (options.keep_existing && has_content(options.path)) {
    std::uint64_t number = 0;
    if (auto old = FileSeries::put_aside(options.path, number); !old) return fail("capture " + old.error());
  }
  auto output = given.valid() ? Output::adopt(std::move(given), "capture stream") : Output::open(options.path);
  if (!output) return fail("capture " + output.error());
  if (options.rotate_bytes > 0 && (options.fd >= 0 || options.path == "-" || !output->is_file())) {
    return fail("capture " + output->name() + ": only a regular file can be rotated");
  }
  const std::size_t ring_bytes = std::bit_ceil(std::clamp(options.ring_bytes, kMinRingBytes, kMaxRingBytes));
  std::unique_ptr<Writer> writer{new Writer{std::move(options), std::move(*filter), std::move(*output), ring_bytes}};
  if (!writer->start()) return fail("capture " + writer->options_.path + ": no memory, descriptors or threads left");
  return writer;
}

Writer::Writer(Options options, Filter filter, Output output, std::size_t ring_bytes)
    : options_(std::move(options)),
      filter_(std::move(filter)),
      ring_(ring_bytes),
      counters_(std::make_unique<InterfaceCounters[]>(kMaxInterfaces)),
      drain_(ring_, counters_.get(), std::move(output), section_header(options_.application),
             {.rotate_bytes = options_.rotate_bytes, .keep = options_.keep}) {}

bool Writer::start() {
  if (!ring_.ok() || !drain_.ok()) return false;
  const BlockedSignals inherited;
  try {
    thread_ = std::thread{[this] { drain_.run(); }};
  } catch (const std::system_error&) {
    return false;
  }
  yield_to_the_switch(thread_);
  return true;
}

Writer::~Writer() {
  stop();
  if (thread_.joinable()) thread_.join();
}

void Writer::stop() noexcept {
  stopping_ = true;
  drain_.stop();
}

bool Writer::add_interface(InterfaceId id, std::string_view name, std::string_view description) {
  const auto index = static_cast<std::size_t>(id);
  if (index > kMaxInterfaceId) return false;
  if (index >= numbers_.size()) numbers_.resize(index + 1, kNotRecorded);
  numbers_[index] = kNotRecorded;
  const auto& chosen = options_.interfaces;
  if (!chosen.empty() && std::ranges::find(chosen, name) == chosen.end()) return false;
  if (interfaces_.size() == kMaxInterfaces) return false;

  numbers_[index] = static_cast<std::uint32_t>(interfaces_.size());
  interfaces_.push_back({.name = std::string{name}, .description = std::string{description}});
  interface_count_.store(static_cast<std::uint32_t>(interfaces_.size()), std::memory_order_release);
  // If there is no room now, the next record tries again.
  [[maybe_unused]] const bool described = announce();
  return true;
}

void Writer::record(InterfaceId id, Direction direction, ByteView frame, WallTime at,
                    std::optional<DropReason> drop) noexcept {
  if (!wants(id) || stopping_ || stopped()) return;
  const std::uint32_t number = numbers_[static_cast<std::size_t>(id)];
  InterfaceCounters& counters = counters_[number];
  increment(counters.received);
  if (!filter_.matches(frame)) return;
  increment(counters.accepted);

  Interface& interface = interfaces_[number];
  const std::size_t kept = options_.snaplen == 0 ? frame.size() : std::min<std::size_t>(frame.size(), options_.snaplen);
  const PacketBlock block{.interface = number,
                          .direction = direction,
                          .at = at,
                          .captured = frame.first(kept),
                          .original_length = static_cast<std::uint32_t>(frame.size()),
                          .drop = drop,
                          .lost_before = interface.lost_since};
  if (announce() && push(block)) {
    interface.lost_since = 0;
  } else {
    lose(number);
  }
}

void Writer::note(InterfaceId id, std::string_view text, WallTime at) noexcept {
  if (!wants(id) || stopping_ || stopped()) return;
  const std::uint32_t number = numbers_[static_cast<std::size_t>(id)];
  const JournalBlock block{
      .at = at, .application = options_.application, .interface = interfaces_[number].name, .message = text};
  if (!announce() || !push(block)) lose(number);
}

/// Describes the interfaces that are new, in order, before anything else goes into the ring: their numbers in the
/// file are their order. False when there was no room for all.
bool Writer::announce() noexcept {
  while (announced_ < interfaces_.size()) {
    const Interface& interface = interfaces_[announced_];
    const InterfaceBlock block{.name = interface.name,
                               .description = interface.description,
                               .filter = filter_.expression(),
                               .snaplen = options_.snaplen};
    if (!push(block)) return false;
    ++announced_;
  }
  return true;
}

template <typename Block>
bool Writer::push(const Block& block) noexcept {
  const std::size_t size = block.size();
  const ByteSpan room = ring_.reserve(size);
  if (room.empty()) return false;
  block.emit(room);
  if (ring_.commit(size)) drain_.wake();
  return true;
}

void Writer::lose(std::uint32_t number) noexcept {
  increment(counters_[number].lost);
  ++interfaces_[number].lost_since;
}

Counters Writer::counters() const noexcept {
  Counters sum{.written = drain_.written()};
  const std::uint32_t count = interface_count_.load(std::memory_order_acquire);
  for (std::uint32_t i = 0; i < count; ++i) {
    sum.received += counters_[i].received.load(std::memory_order_relaxed);
    sum.accepted += counters_[i].accepted.load(std::memory_order_relaxed);
    sum.lost += counters_[i].lost.load(std::memory_order_relaxed);
  }
  return sum;
}

}  // namespace vnet::capture
