#!/bin/busybox sh
# PID 1 of the test VM: loads the network driver, asks for a lease, and then serves a shell on the second serial
# port. The kernel's messages go to the first port, so that nothing but answers ever appears on the second.
#
# A request is one line, `ID SECONDS BASE64-OF-SCRIPT`; its answer is one line, `ID EXIT-CODE BASE64-OF-OUTPUT`.
# Base64 keeps both free of line ends, of the terminal's translations and of half-written characters.
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sysfs /sys
/bin/busybox mount -t devtmpfs dev /dev
export PATH=/bin HOME=/

word() { sed -n "s/.*vnet\.$1=\([^ ]*\).*/\1/p" /proc/cmdline; }

# Asks for a lease afresh whenever the NIC's carrier comes, as a network manager does; each start of it is a line in
# /run/carrier.NIC.
follow() {
  last=0
  while true; do
    now=$(cat "/sys/class/net/$1/carrier")
    if [ "$now" != "$last" ]; then
      last=$now
      echo "$now" >>"/run/carrier.$1"
      [ ! -e "/run/udhcpc.$1.pid" ] || kill "$(cat "/run/udhcpc.$1.pid")"
      [ "$now" = 0 ] || LEASE_FILE=/run/lease.$1 udhcpc -f -i "$1" -x "hostname:$(hostname)" -s /etc/udhcpc.sh -t 20 -T 1 -A 1 \
        -p "/run/udhcpc.$1.pid" >>"/run/udhcpc.$1.log" 2>&1 &
    fi
    usleep 20000
  done
}

while read -r module; do insmod "/modules/$module"; done </modules/order
hostname "$(word hostname)"
ip link set lo up
for nic in /sys/class/net/eth*; do
  [ -e "$nic" ] || continue
  ip link set "${nic##*/}" up
  [ "$(word dhcp)" != carrier ] || follow "${nic##*/}" &
  [ "$(word dhcp)" = on ] || continue
  udhcpc -f -i "${nic##*/}" -x "hostname:$(hostname)" -s /etc/udhcpc.sh -t 3 -T 1 -A 1 \
    -p "/run/udhcpc.${nic##*/}.pid" >"/run/udhcpc.${nic##*/}.log" 2>&1 &
done

# In the shell's place, where there is a second serial port of another kind: vnet.agent=NAME is its name,
# vnet.dial=IP:PORT the test driver.
agent=$(word agent)
dial=$(word dial)
[ -z "$agent" ] || exec vnet-agent --serial "$agent" ${dial:+--dial "$dial"} >/run/agent.log 2>&1

stty -F /dev/ttyS1 raw -echo
exec </dev/ttyS1 >/dev/ttyS1
echo READY
# Shuts down when the power button is pressed; with vnet.acpid=off the guest is one that does not listen.
{
  insmod /modules/button.ko
  insmod /modules/evdev.ko
  [ "$(word acpid)" = off ] || acpid -d
} >/run/acpid.log 2>&1 &
while true; do
  # Not by the shell's own `read`: busybox's forgets the half of a line that it has when a child of the shell ends, and
  # whatever is left behind in here becomes a child of PID 1.
  # shellcheck disable=SC2046 # three words
  set -- $(head -n 1)
  [ $# -ge 2 ] || { sleep 1; continue; }
  echo "$3" | base64 -d >/run/script
  timeout "$2" sh /run/script </dev/null >/run/output 2>&1
  echo "$1 $? $(base64 /run/output | tr -d '\n')"
done
