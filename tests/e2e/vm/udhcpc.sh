#!/bin/sh
# What udhcpc runs at each change of its lease, in the test VM (busybox) and in a network namespace (iproute2).
# The lease is also written to $LEASE_FILE as NAME=VALUE lines, which is what tests read.
LEASE_FILE=${LEASE_FILE:-/run/lease}
RESOLV_CONF=${RESOLV_CONF:-/etc/resolv.conf}

case $1 in
  deconfig)
    ip -4 addr flush dev "$interface"
    ip link set "$interface" up
    rm -f "$LEASE_FILE"
    ;;
  bound | renew)
    # A replaced address would leave the old one behind, and an unchanged one must not lose its connections.
    ip -4 addr show dev "$interface" | grep -q " $ip/$mask " || ip -4 addr flush dev "$interface"
    ip addr replace "$ip/$mask" dev "$interface"
    [ -z "$mtu" ] || ip link set "$interface" mtu "$mtu"
    for gateway in $router; do ip route replace default via "$gateway" dev "$interface"; done
    {
      [ -z "$domain" ] || echo "search $domain"
      for server in $dns; do echo "nameserver $server"; done
    } >"$RESOLV_CONF"
    {
      echo "event=$1"
      for name in ip mask router dns domain lease serverid mtu hostname; do
        eval "echo \"$name=\$$name\""
      done
    } >"$LEASE_FILE.new"
    mv "$LEASE_FILE.new" "$LEASE_FILE"
    ;;
  nak) echo "event=nak message=$message" >>"$LEASE_FILE.events" ;;
esac
