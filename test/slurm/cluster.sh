#!/usr/bin/env bash
# A real Slurm cluster on this host, without systemd, cgroups or root's services: `up DIR` and `down DIR`.
# Then `export SLURM_CONF=DIR/etc/slurm.conf`. QL_PORT is the first of 16 free ports, QL_TYPES the partitions.
set -euo pipefail
act=$1 root=$2 base=${QL_PORT:-23100} types=${QL_TYPES:-h100 h200 a100 l40s} nodes=${QL_NODES:-1 2}
export PATH="$PATH:/usr/sbin:/sbin"

# A container whose first process does not reap leaves zombies: the state tells, not the pid.
stopped() { case "$(ps -o stat= -p "$1" 2>/dev/null)" in "" | Z*) return 0 ;; *) return 1 ;; esac; }

if [ "$act" = down ]; then
  for f in "$root"/run/slurmd-*.pid "$root"/run/slurmctld.pid "$root"/run/munged.pid; do
    [ -s "$f" ] || continue
    p=$(cat "$f")
    kill "$p" 2>/dev/null || continue
    for _ in $(seq 100); do
      stopped "$p" && break
      sleep 0.05
    done
  done
  exit 0
fi

umask 022
host=$(hostname -s) me=$(id -un)
mkdir -p "$root"/{etc,run,log,state,spool}
# munged refuses a socket below a folder that others cannot enter.
chmod 711 "$root"
(umask 077; head -c 128 /dev/urandom >"$root/etc/munge.key")
{
  cat <<CONF
ClusterName=quantlab
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$base
SlurmUser=$me
SlurmdUser=$me
AuthType=auth/munge
CredType=cred/munge
# A requeued job waits this long before it starts again; below five seconds the default of 120 holds.
AuthInfo=socket=$root/run/munge.sock,cred_expire=5
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
StateSaveLocation=$root/state
SlurmdSpoolDir=$root/spool/%n
SlurmctldPidFile=$root/run/slurmctld.pid
SlurmdPidFile=$root/run/slurmd-%n.pid
SlurmctldLogFile=$root/log/slurmctld.log
SlurmdLogFile=$root/log/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SlurmdParameters=config_overrides
SchedulerType=sched/backfill
SchedulerParameters=bf_interval=1,sched_interval=1
ReturnToService=2
SlurmctldTimeout=30
SlurmdTimeout=10
KillWait=2
InactiveLimit=0
MinJobAge=300
MaxArraySize=1001
GresTypes=gpu
CONF
  port=$base
  for t in $types; do
    for k in $nodes; do
      port=$((port + 1))
      mkdir -p "$root/spool/$t-$k"
      echo "NodeName=$t-$k NodeHostname=$host NodeAddr=127.0.0.1 Port=$port CPUs=16 RealMemory=64000 Gres=gpu:$t:4 Feature=$t State=UNKNOWN"
    done
    echo "PartitionName=$t Nodes=ALL_$t DefaultTime=10 MaxTime=60 DefMemPerCPU=500 State=UP"
  done
} >"$root/etc/slurm.conf"
for t in $types; do
  list=$(for k in $nodes; do printf '%s,' "$t-$k"; done)
  sed -i "s/ALL_$t/${list%,}/" "$root/etc/slurm.conf"
done
# One device file for each GPU: four that every machine has, and that no job opens.
for t in $types; do
  for k in $nodes; do
    for d in null zero full random; do echo "NodeName=$t-$k Name=gpu Type=$t File=/dev/$d"; done
  done
done >"$root/etc/gres.conf"

export SLURM_CONF=$root/etc/slurm.conf
munged --socket="$root/run/munge.sock" --key-file="$root/etc/munge.key" --pid-file="$root/run/munged.pid" \
  --log-file="$root/log/munged.log" --seed-file="$root/run/munge.seed"
slurmctld -c -i
for d in "$root"/spool/*; do slurmd -N "${d##*/}"; done
want=$(ls "$root/spool" | wc -l)
for _ in $(seq 200); do
  up=$(sinfo -h -N -t idle -o %N 2>/dev/null | sort -u | wc -l || true)
  [ "$up" = "$want" ] && exit 0
  sleep 0.05
done
echo "nodes did not become idle" >&2
sinfo -N -o '%N %T %E' >&2
exit 1
