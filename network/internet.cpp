// Who is on the internet: routers by network, what stands behind what, and the routes that follow. The packets' way is
// in internet_travel.cpp.
#include "network/internet.hpp"

#include <algorithm>

#include "nat/icmp_answer.hpp"

namespace vnet::network {
namespace {

/// A batch of the largest packets, what egress has for a hundred networks, and what answers it. Only what is used of it
/// costs memory.
constexpr std::size_t kArenaBytes = std::size_t{64} << 20U;

/// What carriers number their customers from (RFC 6598).
constexpr Ipv4Prefix kShared{Ipv4Address{100, 64, 0, 1}, 10};
constexpr Ipv4Address kBehindCarrier{100, 64, 0, 2};

IpPrefix exactly(const Ipv4Address& address) { return Ipv4Prefix{address, 32}; }
IpPrefix exactly(const Ipv6Address& address) { return Ipv6Prefix{address, 128}; }

nat::TranslatorConfig translator_config(const NetworkConfig& settings) {
  nat::TranslatorConfig config;
  config.behavior = settings.nat;
  config.inside4 = settings.ipv4;
  config.inside6 = settings.ipv6;
  config.one_to_one_host = settings.one_to_one_host;
  if (settings.wan && settings.wan->ipv4) {
    config.outside4 = settings.nat.behind_carrier ? kBehindCarrier : *settings.wan->ipv4;
  } else {
    config.behavior.translates = config.behavior.one_to_one = false;
  }
  if (settings.wan && settings.wan->ipv6) {
    config.outside6 = settings.wan->ipv6;
  } else {
    config.behavior.firewall = false;
    config.behavior.ipv6 = nat::Ipv6Way::routed;
  }
  return config;
}

nat::TranslatorConfig carrier_config(const NetworkConfig& settings) {
  nat::TranslatorConfig config;
  config.behavior.firewall = false;
  config.inside4 = kShared;
  config.outside4 = settings.wan->ipv4;
  return config;
}

}  // namespace

Internet::Internet(Random& random, const nat::ServiceTargets& targets, OnMapping on_mapping)
    : random_(random),
      targets_(targets),
      on_mapping_(std::move(on_mapping)),
      arena_(kArenaBytes),
      identifications_(SipHashKey{random.next(), random.next()}) {}

const Router* Internet::router(std::size_t network) const noexcept {
  return network < routers_.size() ? routers_[network].get() : nullptr;
}

Router* Internet::router(std::size_t network) noexcept {
  return network < routers_.size() ? routers_[network].get() : nullptr;
}

void Internet::join(std::size_t network, Lan& lan, Instant now) {
  if (network >= routers_.size()) routers_.resize(network + 1);
  auto& router = routers_[network];
  const NetworkConfig& settings = lan.settings();
  const nat::TranslatorConfig config = translator_config(settings);
  const bool moved = router && (router->outside4() != config.outside4 || router->outside6() != config.outside6);
  if (!router) {
    router = std::make_unique<Router>(config, random_);
  } else {
    router->translator.reconfigure(config, now);
  }
  router->lan = &lan;
  router->network = network;
  router->blackhole = settings.blackhole;
  set_mapper(*router, moved, now);
  if (!settings.nat.behind_carrier || !settings.wan || !settings.wan->ipv4) {
    router->carrier.reset();
  } else if (!router->carrier) {
    router->carrier = std::make_unique<Router>(carrier_config(settings), random_);
  } else {
    router->carrier->translator.reconfigure(carrier_config(settings), now);
  }
}

void Internet::set_mapper(Router& router, bool moved, Instant now) {
  const NetworkConfig& settings = router.lan->settings();
  if (!settings.port_mapping.any()) {
    router.mapper.reset();
  } else if (!router.mapper) {
    router.mapper = std::make_unique<PortMapper>(
        settings, router.translator,
        [this, network = router.network](const nat::MappingChange& change) { on_mapping_(network, change); }, now);
  } else {
    router.mapper->reconfigure(settings, now);
    if (moved) router.mapper->restart(now);
  }
  router.lan->set_mapper(router.mapper.get());
}

void Internet::leave(std::size_t network) { routers_[network].reset(); }

void Internet::reboot(std::size_t network, Instant now) {
  Router* const rebooted = router(network);
  if (rebooted == nullptr) return;
  rebooted->translator.clear();
  if (rebooted->mapper) rebooted->mapper->restart(now);
}

void Internet::build_routes() {
  routes_.clear();
  for (const auto& router : routers_) {
    if (!router) continue;
    router->inside.clear();
    if (router->carrier) router->carrier->inside.clear();
  }
  for (const auto& router : routers_) {
    if (router) add_routes(*router);
  }
  for (const auto& service : services_) {
    for (const IpAddress& address : service->host->config().addresses) {
      routes_.add(std::visit([](const auto& of) { return exactly(of); }, address), {nullptr, service.get(), false});
    }
  }
}

void Internet::add_routes(Router& router) {
  const NetworkConfig& settings = router.lan->settings();
  Router* parent = nullptr;
  for (const auto& other : routers_) {
    if (other && other != routers_[router.network] && other->lan->settings().name == settings.behind) {
      parent = other.get();
    }
  }
  Router& outer = router.carrier ? *router.carrier : router;
  outer.beyond = parent;
  if (router.carrier) {
    router.beyond = router.carrier.get();
    router.carrier->inside.add(exactly(*router.outside4()), &router);
  }
  const auto add = [&](const IpPrefix& prefix, Router& to, bool for_services) {
    if (parent != nullptr) {
      parent->inside.add(prefix, &to);
    } else {
      routes_.add(prefix, {&to, nullptr, for_services});
    }
  };
  const nat::NatBehavior& behavior = router.translator.config().behavior;
  if (outer.outside4()) add(exactly(*outer.outside4()), outer, false);
  if (settings.ipv4 && !behavior.translates) add(*settings.ipv4, router, !router.outside4());
  if (router.outside6()) {
    add(exactly(*router.outside6()), router, false);
    if (behavior.ipv6 == nat::Ipv6Way::nptv6 && settings.ipv6) {
      add(Ipv6Prefix{*router.outside6(), settings.ipv6->length}, router, false);
    }
  }
  if (settings.ipv6 && behavior.ipv6 == nat::Ipv6Way::routed) add(*settings.ipv6, router, !router.outside6());
}

void Internet::end_batch() {
  arena_.clear();
  for (const std::size_t network : reassembled_) {
    if (Router* const used = router(network)) used->reassembler.end_batch();
  }
  reassembled_.clear();
}

Instant Internet::next_deadline() const {
  Instant next = kNever;
  for (const auto& router : routers_) {
    if (!router) continue;
    next = std::min({next, router->translator.next_deadline(), router->reassembler.next_deadline()});
    if (router->carrier) next = std::min(next, router->carrier->translator.next_deadline());
    if (router->mapper) next = std::min(next, router->mapper->next_deadline());
    for (const HeldPacket& held : router->held) next = std::min({next, held.ask_again, held.until});
  }
  for (const auto& service : services_) next = std::min(next, service->host->next_deadline());
  return next;
}

void Internet::expire(Instant now) {
  now_ = now;
  for (const auto& service : services_) {
    if (now >= service->host->next_deadline()) service->host->expire(now);
  }
  const auto expire_translator = [&](Router& router) {
    if (now < router.translator.next_deadline()) return;
    router.translator.expire(now, [&](ByteView unsolicited) {
      const auto source = router.outside(Ipv4Address{});
      if (source && unsolicited[0] >> 4U == 4) {
        tell_from(router.beyond, *source, nat::unreachable(*source, nat::kPortUnreachable), unsolicited, now);
      }
    });
  };
  for (const auto& router : routers_) {
    if (!router) continue;
    expire_translator(*router);
    if (router->carrier) expire_translator(*router->carrier);
    router->reassembler.expire(
        now, [&](const nat::Reassembler::Unfinished& datagram) { tell_unfinished(*router, datagram, now); });
    if (router->mapper && now >= router->mapper->next_deadline()) {
      router->mapper->expire(now, [&](const nat::Endpoint& to, ByteView payload) {
        router->lan->send_udp(nat::PortControl::kServerPort, to, payload);
        touch(*router);
      });
    }
    retry_held(router->network, now);
  }
}

}  // namespace vnet::network
