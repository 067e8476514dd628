#!/bin/bash
# One node of the test cluster. `init.sh enter` joins the node's control groups and network and runs `init.sh run` as
# process 1 of namespaces of its own: what that mounts or starts ends with it, as with a machine's power.
#
# NODE_NAME, NODE_DIRECTORY (kept over a restart; its etc/ holds the settings), NODE_NETWORK, CGROUP and CGROUP_TYPES,
# KUBE_BIN and KUBELET_CONFIG come from the environment.
set -euo pipefail

enter() {
  for type in $CGROUP_TYPES; do echo $$ >"/sys/fs/cgroup/$type/$CGROUP/cgroup.procs"; done
  # `ip netns exec` would mount /sys again, without its control groups.
  exec nsenter --net="/run/netns/$NODE_NETWORK" \
    unshare --mount --uts --ipc --cgroup --pid --fork --kill-child bash "$0" run
}

mount_own_directories() {
  mount --make-rprivate /
  mount -t proc proc /proc
  mount -t sysfs sysfs /sys
  mount -t tmpfs -o mode=755 tmpfs /sys/fs/cgroup
  local type options
  for type in $CGROUP_TYPES; do
    options=$type
    [ "$type" = systemd ] && options=none,name=systemd
    mkdir "/sys/fs/cgroup/$type"
    mount -t cgroup -o "$options" cgroup "/sys/fs/cgroup/$type"
  done
  # The programs of a node have fixed places there.
  local place
  for place in /run /var/lib /var/log; do mount -t tmpfs -o mode=755 tmpfs "$place"; done
  mkdir -p /run/lock /var/log/pods /var/log/containers
  for place in kubelet containerd; do
    mkdir -p "/var/lib/$place" "$NODE_DIRECTORY/$place"
    mount --bind "$NODE_DIRECTORY/$place" "/var/lib/$place"
  done
  mount --make-shared /var/lib/kubelet
}

# keep NAME COMMAND...: runs it, and again whenever it ends.
keep() {
  local name=$1
  shift
  while :; do
    "$@" >>"$NODE_DIRECTORY/log/$name.log" 2>&1 &
    echo $! >"$NODE_DIRECTORY/$name.pid"
    wait $! || true
    sleep 0.5
  done
}

# Images are files IMAGES/<name>.tar; a node that starts again has them.
import_images() {
  local try file known
  for try in $(seq 600); do
    ctr version >/dev/null 2>&1 && break
    sleep 0.05
  done
  known=$(ctr -n k8s.io images ls -q)
  for file in "$IMAGES"/*.tar; do
    case $known in *"localhost/$(basename "$file" .tar):"*) continue ;; esac
    ctr -n k8s.io images import "$file"
  done >>"$NODE_DIRECTORY/log/images.log" 2>&1
}

run() {
  mkdir -p "$NODE_DIRECTORY/log"
  hostname "$NODE_NAME"
  mount_own_directories
  ip link set lo up
  sysctl -qw net.ipv4.ip_forward=1
  sysctl -qw net.bridge.bridge-nf-call-iptables=1 || true # absent while nothing has loaded it
  keep containerd containerd -c "$NODE_DIRECTORY/etc/containerd.toml" &
  import_images
  # The certificate is issued while images are imported.
  until [ -f "$KUBELET_CONFIG" ]; do sleep 0.05; done
  keep kubelet "$KUBE_BIN/kubelet" --config "$NODE_DIRECTORY/etc/kubelet.json" --kubeconfig "$KUBELET_CONFIG" \
    --root-dir /var/lib/kubelet --hostname-override "$NODE_NAME" --node-ip "$NODE_ADDRESS" \
    --cert-dir "$NODE_DIRECTORY/pki" --node-labels "$NODE_LABELS" &
  keep kube-proxy "$KUBE_BIN/kube-proxy" --config "$NODE_DIRECTORY/etc/proxy.json" &
  while :; do wait || true; sleep 1; done
}

"$1"
