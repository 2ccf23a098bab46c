#include "adapter/rates.hpp"

#include <algorithm>

#include "adapter/printable.hpp"
#include "adapter/units.hpp"

namespace vnet::adapter {
namespace {

constexpr double kBitsPerByte = 8;

std::string drops_per_second(const std::map<std::string, double>& drops) {
  std::vector<std::pair<std::string, double>> sorted(drops.begin(), drops.end());
  std::ranges::stable_sort(sorted, std::ranges::greater{}, [](const auto& drop) { return drop.second; });
  std::string text;
  for (const auto& [reason, rate] : sorted) {
    // A drop now and then is no zero.
    const std::string number = rate < 0.5 ? "<1" : si(rate, "");
    text += (text.empty() ? "" : ", ") + number + " " + printable(reason);
  }
  return text;
}

}  // namespace

Rates::Counts Rates::counts_of(const Json& nic) {
  const Json& in = member(nic, "in");
  const Json& out = member(nic, "out");
  Counts counts{count_at(in, "frames"), count_at(in, "bytes"), count_at(out, "frames"), count_at(out, "bytes"), {}};
  for (const Json* direction : {&in, &out}) {
    const Json& drops = member(*direction, "drops");
    if (!drops.is_object()) continue;
    for (const auto& [reason, count] : drops.items()) counts.drops[reason] += count_at(drops, reason);
  }
  return counts;
}

std::vector<NicRate> Rates::update(const Json& nics, Instant now) {
  const double seconds = std::chrono::duration<double>(now - at_).count();
  std::map<std::string, Counts> seen;
  std::vector<NicRate> rates;
  for (const Json& nic : nics) {
    const std::string mac = text_at(nic, "mac");
    const Counts counts = counts_of(nic);
    NicRate rate{.name = text_at(nic, "name"),
                 .network = text_at(nic, "network"),
                 .link = text_at(nic, "link"),
                 .attached = member(nic, "attachment").is_object()};
    const auto before = seen_.find(mac);
    const auto went_back = [&](const Counts& old) {
      return counts.in_frames < old.in_frames || counts.in_bytes < old.in_bytes || counts.out_frames < old.out_frames ||
             counts.out_bytes < old.out_bytes;
    };
    if (before == seen_.end() || seconds <= 0 || went_back(before->second)) {
      rate.is_new = true;
    } else {
      const Counts& old = before->second;
      const auto per_second = [&](std::uint64_t then, std::uint64_t is) {
        return static_cast<double>(is - then) / seconds;
      };
      rate.in_frames = per_second(old.in_frames, counts.in_frames);
      rate.in_bits = per_second(old.in_bytes, counts.in_bytes) * kBitsPerByte;
      rate.out_frames = per_second(old.out_frames, counts.out_frames);
      rate.out_bits = per_second(old.out_bytes, counts.out_bytes) * kBitsPerByte;
      for (const auto& [reason, count] : counts.drops) {
        const auto earlier = old.drops.find(reason);
        const std::uint64_t then = earlier == old.drops.end() ? 0 : earlier->second;
        if (count > then) rate.drops[reason] = per_second(then, count);
      }
    }
    rates.push_back(std::move(rate));
    seen[mac] = counts;
  }
  seen_ = std::move(seen);
  at_ = now;
  std::ranges::sort(rates, [](const NicRate& a, const NicRate& b) {
    const double of_a = a.in_bits + a.out_bits;
    const double of_b = b.in_bits + b.out_bits;
    return of_a != of_b ? of_a > of_b : a.name < b.name;
  });
  return rates;
}

std::vector<std::string> rate_lines(const std::vector<NicRate>& rates, Style style) {
  double in_bits = 0;
  double in_frames = 0;
  std::size_t attached = 0;
  Table table{{{"NIC"},
               {"NETWORK"},
               {"LINK"},
               {"IN", Align::right},
               {"", Align::right},
               {"OUT", Align::right},
               {"", Align::right},
               {"DROPS/S"}}};
  for (const NicRate& rate : rates) {
    in_bits += rate.in_bits;
    in_frames += rate.in_frames;
    attached += rate.attached ? 1U : 0U;
    const std::string link = !rate.attached ? "none" : rate.link;
    const Cell link_cell{link, rate.attached && rate.link == "down" ? Tone::bad : Tone::plain};
    if (rate.is_new) {
      table.add({rate.name, rate.network, link_cell, "new", "", "new", "", ""});
      continue;
    }
    table.add({rate.name,
               rate.network,
               link_cell,
               si(rate.in_frames, "f/s"),
               si(rate.in_bits, "bit/s"),
               si(rate.out_frames, "f/s"),
               si(rate.out_bits, "bit/s"),
               {drops_per_second(rate.drops), rate.drops.empty() ? Tone::plain : Tone::warning}});
  }
  std::vector<std::string> lines = {std::to_string(rates.size()) + " NICs, " + std::to_string(attached) +
                                    " attached, " + si(in_frames, "frames/s") + ", " + si(in_bits, "bit/s")};
  if (rates.empty()) return lines;
  lines.emplace_back();
  for (std::string& line : table.lines(style)) lines.push_back(std::move(line));
  return lines;
}

}  // namespace vnet::adapter
