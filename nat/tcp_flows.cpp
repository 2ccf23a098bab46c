#include "nat/tcp_flows.hpp"

#include <algorithm>

namespace vnet::nat {

TcpFlows::TcpFlows(const Setup& setup, GuestWire& wire, WindowBudget& budget, OnRefused on_refused)
    : setup_(setup),
      wire_(wire),
      budget_(budget),
      on_refused_(std::move(on_refused)),
      by_flow_(16, FlowHash{setup.key}) {}

bool TcpFlows::has(const TcpFlow& flow, const TcpSegment& segment) const {
  const Known* const known = look_up(flow);
  return known != nullptr && !known->second.splice->may_be_replaced_by(segment);
}

TcpFlows::Known* TcpFlows::look_up(const TcpFlow& flow) const {
  if (last_ != nullptr && last_->second.splice->flow() == flow) return last_;
  const auto found = by_flow_.find(flow);
  return last_ = found == by_flow_.end() ? nullptr : found->second;
}

void TcpFlows::handle(const TcpFlow& flow, const TcpSegment& segment, Instant now) {
  Known* const known = look_up(flow);
  if (known == nullptr) return;
  auto& [id, entry] = *known;
  touch(id, entry);
  entry.splice->handle(segment, pieces_[entry.pieces], now);
}

void TcpFlows::touch(FlowId id, Entry& entry) {
  if (entry.pieces != kNone) return;
  entry.pieces = pieces_used_++;
  if (pieces_.size() < pieces_used_) pieces_.resize(pieces_used_);
  touched_.push_back(id);
}

bool TcpFlows::admit(const IpAddress& guest) {
  const auto share = shares_.find(guest);
  const Share own = share == shares_.end() ? Share{} : share->second;
  const TcpLimits& limits = setup_.limits;
  if (by_id_.size() < limits.flows && half_open_ < limits.half_open && own.flows < limits.per_guest &&
      own.half_open < limits.half_open_per_guest) {
    return true;
  }
  ++counters_.limited;
  return false;
}

TcpFlows::Entry& TcpFlows::insert(FlowId id, const TcpFlow& flow, const MacAddress& guest,
                                  std::uint32_t initial_sequence, std::unique_ptr<TcpSocket> host) {
  Known& known = *by_id_.try_emplace(id).first;
  Entry& entry = known.second;
  entry.splice = std::make_unique<TcpSplice>(TcpSplice::Setup{id, flow, guest, setup_.mtu, initial_sequence},
                                             std::move(host), setup_.times, wire_, budget_);
  by_flow_[flow] = &known;
  ++shares_[flow.remote].flows;
  count_half_open(entry, true);
  return entry;
}

void TcpFlows::open(FlowId id, const TcpFlow& flow, const MacAddress& guest, const TcpSegment& syn,
                    std::unique_ptr<TcpSocket> host, Instant now) {
  std::uint32_t sequence = initial_sequence(flow, setup_.key, now);
  if (Known* const former = look_up(flow)) {  // in TIME-WAIT, see `has`
    sequence = sequence_max(sequence, former->second.splice->max_sequence() + 1);
    remove(former->first, former->second);
  }
  Entry& entry = insert(id, flow, guest, sequence, std::move(host));
  ++counters_.opened;
  entry.splice->accept(syn, now);
  timers_.set(id, entry.splice->next_deadline(), entry.armed, now);
}

bool TcpFlows::call(FlowId id, const TcpFlow& flow, const MacAddress& guest, std::unique_ptr<TcpSocket> host,
                    Instant now) {
  if (contains(flow)) return false;
  Entry& entry = insert(id, flow, guest, initial_sequence(flow, setup_.key, now), std::move(host));
  ++counters_.called;
  entry.splice->call(now);
  review(id, entry, now);
  return true;
}

void TcpFlows::refuse(const TcpFlow& flow, const MacAddress& guest, const TcpSegment& segment) {
  ++counters_.stray;
  if (segment.has(TcpSegment::kRst)) return;
  TcpHeader header;
  header.flags = TcpSegment::kRst;
  if (segment.has(TcpSegment::kAck)) {
    header.sequence = segment.acknowledgment();
  } else {
    header.flags |= TcpSegment::kAck;
    header.acknowledgment = segment.sequence() + static_cast<std::uint32_t>(segment.payload().size()) +
                            (segment.has(TcpSegment::kSyn) ? 1U : 0U) + (segment.has(TcpSegment::kFin) ? 1U : 0U);
  }
  FrameBuilder frame{wire_.room(0)};
  prepend_tcp(frame, flow, header);
  wire_.send(frame, guest, is_v4(flow.local));
}

void TcpFlows::on_host(FlowId id, HostEvents events, Instant now) {
  const auto found = by_id_.find(id);
  if (found == by_id_.end()) return;
  found->second.splice->on_host(events, now);
  touch(id, found->second);
}

void TcpFlows::end_batch(Instant now) {
  unpark();
  for (const FlowId id : touched_) {
    const auto found = by_id_.find(id);
    if (found == by_id_.end()) continue;
    Entry& entry = found->second;
    entry.splice->settle(pieces_[entry.pieces], now);
    entry.pieces = kNone;
    queue(id, entry);
  }
  touched_.clear();
  for (std::size_t i = 0; i < pieces_used_; ++i) pieces_[i].clear();
  pieces_used_ = 0;
  serve_ready(now);
}

void TcpFlows::queue(FlowId id, Entry& entry) {
  if (entry.ready) return;
  entry.ready = true;
  ready_.push_back(id);
}

/// Each in the queue once; what is left to do then is for the next turn.
void TcpFlows::serve_ready(Instant now) {
  for (std::size_t left = ready_.size(); left > 0; --left) {
    const FlowId id = ready_.front();
    ready_.pop_front();
    const auto found = by_id_.find(id);
    if (found == by_id_.end()) continue;
    Entry& entry = found->second;
    entry.ready = false;
    switch (entry.splice->transmit(now)) {
      case TcpSplice::Progress::done: break;
      case TcpSplice::Progress::more: queue(id, entry); break;
      case TcpSplice::Progress::port_full:
        if (!entry.parked) parked_[entry.splice->guest()].push_back(id);
        entry.parked = true;
        break;
    }
    review(id, entry, now);
  }
}

void TcpFlows::unpark() {
  for (auto at = parked_.begin(); at != parked_.end();) {
    if (!wire_.port_has_room(at->first, setup_.mtu)) {
      ++at;
      continue;
    }
    for (const FlowId id : at->second) {
      const auto found = by_id_.find(id);
      if (found == by_id_.end()) continue;
      found->second.parked = false;
      queue(id, found->second);
    }
    at = parked_.erase(at);
  }
}

void TcpFlows::review(FlowId id, Entry& entry, Instant now) {
  TcpSplice& splice = *entry.splice;
  if (const auto error = splice.take_refusal()) {
    ++counters_.refused;
    on_refused_(splice, *error);
  }
  const TcpPhase phase = splice.phase();
  if (phase == TcpPhase::closed) return remove(id, entry);
  count_half_open(entry,
                  phase == TcpPhase::connecting || phase == TcpPhase::syn_received || phase == TcpPhase::syn_sent);
  if (phase == TcpPhase::time_wait && !entry.waits) {
    entry.waits = true;
    ++waiting_;
    while (!time_wait_.empty() && !by_id_.contains(time_wait_.front())) time_wait_.pop_front();
    time_wait_.push_back(id);
  }
  timers_.set(id, splice.next_deadline(), entry.armed, now);
  while (waiting_ > setup_.limits.time_wait) {
    const FlowId oldest = time_wait_.front();
    time_wait_.pop_front();
    const auto found = by_id_.find(oldest);
    if (found != by_id_.end()) remove(oldest, found->second);
  }
}

void TcpFlows::count_half_open(Entry& entry, bool half_open) {
  if (entry.half_open == half_open) return;
  entry.half_open = half_open;
  Share& share = shares_[entry.splice->flow().remote];
  share.half_open += half_open ? 1U : -std::size_t{1};
  half_open_ += half_open ? 1U : -std::size_t{1};
}

void TcpFlows::remove(FlowId id, Entry& entry) {
  count_half_open(entry, false);
  const TcpFlow& flow = entry.splice->flow();
  if (const auto share = shares_.find(flow.remote); --share->second.flows == 0) shares_.erase(share);
  counters_.retransmitted += entry.splice->retransmitted();
  if (entry.waits) --waiting_;
  last_ = nullptr;
  by_flow_.erase(flow);
  by_id_.erase(id);
}

Instant TcpFlows::next_deadline() const {
  if (!ready_.empty()) return kAtOnce;
  for (const auto& [guest, flows] : parked_) {
    if (wire_.port_has_room(guest, setup_.mtu)) return kAtOnce;
  }
  return by_id_.empty() ? kNever : timers_.next();
}

void TcpFlows::expire(Instant now) {
  for (auto due = timers_.take_due(now); due.id != FlowId{}; due = timers_.take_due(now)) {
    const auto found = by_id_.find(due.id);
    if (found == by_id_.end() || !FlowTimers::is_current(due, found->second.armed)) continue;
    Entry& entry = found->second;
    if (entry.splice->next_deadline() <= now) {
      entry.splice->expire(now);
      touch(due.id, entry);
    } else {
      timers_.set(due.id, entry.splice->next_deadline(), entry.armed, now);
    }
  }
  end_batch(now);
}

void TcpFlows::abort_if(const std::function<bool(const TcpSplice&)>& over) { end_if(over, &TcpSplice::abort); }

void TcpFlows::vanish_if(const std::function<bool(const TcpSplice&)>& over) { end_if(over, &TcpSplice::vanish); }

void TcpFlows::end_if(const std::function<bool(const TcpSplice&)>& over, void (TcpSplice::*end)()) {
  std::vector<FlowId> ended;
  for (const auto& [id, entry] : by_id_) {
    if (over(*entry.splice)) ended.push_back(id);
  }
  for (const FlowId id : ended) {
    Entry& entry = by_id_.at(id);
    (*entry.splice.*end)();
    remove(id, entry);
  }
}

std::uint64_t TcpFlows::retransmitted() const noexcept {
  std::uint64_t segments = counters_.retransmitted;
  for (const auto& [id, entry] : by_id_) segments += entry.splice->retransmitted();
  return segments;
}

const TcpSplice* TcpFlows::find(FlowId id) const noexcept {
  const auto found = by_id_.find(id);
  return found == by_id_.end() ? nullptr : found->second.splice.get();
}

void TcpFlows::for_each(const std::function<void(const TcpSplice&)>& see) const {
  for (const auto& [id, entry] : by_id_) see(*entry.splice);
}

}  // namespace vnet::nat
