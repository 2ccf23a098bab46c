#!/bin/sh
# What dhclient runs at each change of its lease, in a network namespace, in place of Debian's script: that one would
# rewrite the host's /etc/resolv.conf, because a namespace shares the file system.
case $reason in
  PREINIT) ip link set "$interface" up ;;
  BOUND | RENEW | REBIND | REBOOT)
    [ "$old_ip_address" = "$new_ip_address" ] || ip -4 addr flush dev "$interface"
    ip addr replace "$new_ip_address/$new_subnet_mask" dev "$interface"
    for gateway in $new_routers; do ip route replace default via "$gateway" dev "$interface"; done
    ;;
  EXPIRE | FAIL | RELEASE | STOP) ip -4 addr flush dev "$interface" ;;
esac
